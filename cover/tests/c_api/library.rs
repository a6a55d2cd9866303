//! libha.so, opened at run time: what is called here is the library as it is shipped, and nothing else in this process
//! runs under its covers but libc's streams.

use std::ffi::{c_int, c_uint, c_void};
use std::path::Path;

/// `RFp`.
pub(crate) type RecoveryFunction = Option<unsafe extern "C-unwind" fn(c_int, *mut c_void) -> c_int>;

/// The functions of libha that a script calls.
#[derive(Debug)]
pub(crate) struct Library {
    _opened: libloading::Library,
    pub(crate) ha_attach: unsafe extern "C-unwind" fn(c_int, RecoveryFunction, *mut c_void, c_uint) -> c_int,
    pub(crate) ha_detach: unsafe extern "C-unwind" fn(c_int) -> c_int,
    pub(crate) ha_connection_ctrl: unsafe extern "C-unwind" fn(c_int, c_int, *mut c_void) -> c_int,
    pub(crate) ha_dup: unsafe extern "C-unwind" fn(c_int) -> c_int,
    pub(crate) ha_close: unsafe extern "C-unwind" fn(c_int) -> c_int,
    pub(crate) dup: unsafe extern "C-unwind" fn(c_int) -> c_int,
    pub(crate) dup2: unsafe extern "C-unwind" fn(c_int, c_int) -> c_int,
    pub(crate) close: unsafe extern "C-unwind" fn(c_int) -> c_int,
    pub(crate) write: unsafe extern "C-unwind" fn(c_int, *const c_void, usize) -> isize,
}

impl Library {
    /// Opens the library, which stays even when this is dropped: its covers stand in libc's tables.
    pub(crate) fn open(path: &Path) -> Self {
        // SAFETY: libha's constructor looks up functions and changes libc's tables of streams, which is what it is for.
        let library = unsafe { libloading::Library::new(path) };
        let library = library.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        macro_rules! functions {
            ($($name:ident),*) => {
                Self {
                    // SAFETY: the types are those of include/ha and of libc.
                    $($name: *unsafe { library.get(stringify!($name)) }.expect(stringify!($name)),)*
                    _opened: library,
                }
            };
        }
        functions!(ha_attach, ha_detach, ha_connection_ctrl, ha_dup, ha_close, dup, dup2, close, write)
    }
}
