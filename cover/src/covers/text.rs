//! dprintf: the covers themselves are in C (`c/dprintf.c`), because they are variadic. This tells them what is covered, and
//! where libc's own are.

use std::ffi::{c_char, c_int, c_void};

use crate::original::covers;

/// A `va_list` as it is passed to a function: a pointer, on x86-64 and aarch64.
type Arguments = *mut c_void;

covers! {
    []
    fn vdprintf(number: c_int, format: *const c_char, arguments: Arguments) -> c_int => 0;
    []
    fn __vdprintf_chk(number: c_int, flag: c_int, format: *const c_char, arguments: Arguments) -> c_int => 0;
}

/// As in `c/dprintf.c`.
#[repr(C)]
struct Functions {
    is_covered: Option<extern "C" fn(c_int) -> c_int>,
    vdprintf: Option<unsafe extern "C-unwind" fn(c_int, *const c_char, Arguments) -> c_int>,
    vdprintf_chk: Option<unsafe extern "C-unwind" fn(c_int, c_int, *const c_char, Arguments) -> c_int>,
}

unsafe extern "C" {
    /// Read by the C side only.
    static mut ha_text_functions: Functions;
}

extern "C" fn is_covered(number: c_int) -> c_int {
    ha_core::number::capture(number).is_covered().into()
}

/// To be called from the constructor, when there is no second thread yet.
pub(crate) fn start() {
    unsafe extern "C-unwind" fn plain(number: c_int, format: *const c_char, arguments: Arguments) -> c_int {
        // SAFETY: the contract of vdprintf(3), which the caller keeps.
        unsafe { original::vdprintf(number, format, arguments) }
    }
    unsafe extern "C-unwind" fn checked(
        number: c_int,
        flag: c_int,
        format: *const c_char,
        arguments: Arguments,
    ) -> c_int {
        // SAFETY: as above.
        unsafe { original::__vdprintf_chk(number, flag, format, arguments) }
    }
    let functions = Functions { is_covered: Some(is_covered), vdprintf: Some(plain), vdprintf_chk: Some(checked) };
    // SAFETY: nobody reads it yet.
    unsafe { (&raw mut ha_text_functions).write(functions) };
}
