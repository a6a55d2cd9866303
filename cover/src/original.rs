//! The originals: libc's own functions, which the covers stand in front of.
//!
//! All of them are looked up at once, in the constructor. A call that comes earlier (from the constructor of another
//! library, or from an allocator) finds in each place a function that looks all of them up and goes on. `dlsym` of a name that
//! exists allocates nothing (measured, glibc 2.36).
#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// The place of one original: its name, and its address once it is known.
#[derive(Debug)]
pub(crate) struct Original {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Original {
    /// `first` is called while the address is not known. It has the original's type.
    pub(crate) const fn new(name: &'static CStr, first: *mut c_void) -> Self {
        Self { name, address: AtomicPtr::new(first) }
    }

    #[inline(always)]
    pub(crate) fn address(&self) -> *mut c_void {
        // Relaxed: what is behind the address was there before this process had a second thread.
        self.address.load(Ordering::Relaxed)
    }

    fn look_up(&self, missing: *mut c_void) {
        let found = find(self.name);
        self.address.store(if found.is_null() { missing } else { found }, Ordering::Relaxed);
    }
}

/// The address of libc's function of this name, null if it has none.
#[cfg(not(feature = "static"))]
fn find(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a zero byte.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// The same in a program that is linked statically: the linker calls them `__real_NAME`, and `build.rs` makes a table of these.
#[cfg(feature = "static")]
fn find(name: &CStr) -> *mut c_void {
    #[repr(C)]
    struct Real {
        name: *const std::ffi::c_char,
        function: *mut c_void,
    }
    unsafe extern "C" {
        /// Ends with an element without a name.
        static ha_originals: [Real; 0];
    }
    let mut real = (&raw const ha_originals).cast::<Real>();
    loop {
        // SAFETY: inside of the table, which ends with an element without a name, where this stops.
        let Real { name: other, function } = unsafe { real.read() };
        if other.is_null() {
            return std::ptr::null_mut();
        }
        // SAFETY: not null, so it is a string.
        if unsafe { CStr::from_ptr(other) } == name {
            return function;
        }
        real = real.wrapping_add(1);
    }
}

/// Whether a call of this name, as the program makes it, comes to libha.
#[cfg(feature = "static")]
pub(crate) fn is_led_here(name: &CStr) -> bool {
    !find(name).is_null()
}

/// Whether a call of this name, as the program makes it, comes to libha: it does unless it leads to libc at once. With another
/// preload in front it leads there, and from there to us.
#[cfg(not(feature = "static"))]
pub(crate) fn is_led_here(name: &CStr) -> bool {
    // SAFETY: the name ends with a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    !found.is_null() && found != find(name)
}

/// The originals of one family of covers, each with what stands in for it where this libc lacks it.
pub(crate) type Family = &'static [(&'static Original, fn() -> *mut c_void)];

/// Looks all originals up. More than once is as good as once.
#[cold]
pub(crate) fn look_up_all() {
    for family in crate::covers::FAMILIES {
        for (original, missing) in *family {
            original.look_up(missing());
        }
    }
}

/// What a function returns that does not exist in this libc; `errno` is ENOSYS.
pub(crate) trait Missing {
    fn missing() -> Self;
}

macro_rules! missing {
    ($($type:ty = $value:expr),*) => {
        $(impl Missing for $type {
            fn missing() -> Self {
                ha_core::number::errno::set(libc::ENOSYS);
                $value
            }
        })*
    };
}

missing!(i32 = -1, i64 = -1, isize = -1, u32 = 0, () = ());

impl<T> Missing for *mut T {
    fn missing() -> Self {
        ha_core::number::errno::set(libc::ENOSYS);
        std::ptr::null_mut()
    }
}

/// Declares covers, and beside them the module `original` with what they cover.
///
/// ```text
/// covers! {
///     /// What it does.
///     ["name", "alias"] fn name(number: c_int, other: size_t) -> isize as covered => what_to_do_on_a_covered_number;
///     ["maker"] fn maker(path: *const c_char) -> c_int => what_to_do_always;
/// }
/// ```
///
/// A name without an export is only looked up. The first form calls the original at once, as a tail call, when the first argument is a number that is not covered.
/// With `as covered at once function`, the function is asked first: it is given the arguments and the [`Glanced`](ha_core::number::Glanced),
/// and returns what the cover returns, or `None` where it has done nothing.
///
/// # Safety
///
/// Every cover has the contract of the function whose name it has, and passes on the arguments it was given. So whatever the
/// original may do with them is allowed by its caller.
macro_rules! covers {
    ($(
        $(#[$doc:meta])*
        [$($exported:literal),*]
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $returned:ty)?
            $(as $covered:ident $(at once $at_once:ident)?)?
        => $body:expr;
    )*) => {
        /// libc's own.
        pub(crate) mod original {
            use super::*;
            $(
                $(#[$doc])*
                #[inline(always)]
                pub(crate) unsafe fn $name($($argument: $type),*) $(-> $returned)? {
                    type Function = unsafe extern "C-unwind" fn($($type),*) $(-> $returned)?;
                    // SAFETY: the place holds either libc's function of this name or one of those in `places`, and all
                    // have this type.
                    let function = unsafe { std::mem::transmute::<*mut std::ffi::c_void, Function>(places::$name.address()) };
                    // SAFETY: see the macro.
                    unsafe { function($($argument),*) }
                }
            )*
        }

        #[allow(non_upper_case_globals)]
        mod places {
            use std::ffi::{CStr, c_void};
            use crate::original::Original;
            $(
                pub(super) static $name: Original = Original::new(
                    match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => c"",
                    },
                    super::first::$name as *const () as *mut c_void,
                );
            )*
        }

        /// What is called while the originals are not known.
        mod first {
            use super::*;
            $(
                #[cold]
                pub(super) unsafe extern "C-unwind" fn $name($($argument: $type),*) $(-> $returned)? {
                    crate::original::look_up_all();
                    // SAFETY: see the macro.
                    unsafe { original::$name($($argument),*) }
                }
            )*
        }

        /// What is called where this libc has no such function.
        mod missing {
            use super::*;
            $(
                #[allow(unused_variables)]
                pub(super) unsafe extern "C-unwind" fn $name($($argument: $type),*) $(-> $returned)? {
                    crate::original::Missing::missing()
                }
            )*
        }

        pub(crate) const FAMILY: crate::original::Family =
            &[$((&places::$name, || missing::$name as *const () as *mut std::ffi::c_void)),*];

        /// What the covers do, once for all the names of a function.
        mod bodies {
            use super::*;
            $(covers! { @body $name ($($argument: $type),*) ($($returned)?) ($($covered $(at once $at_once)?)?) $body })*
        }

        $(covers! { @each [$($exported),*] $name ($($argument: $type),*) ($($returned)?) ($($covered)?) })*
    };

    (@each [$($exported:literal),*] $name:ident $arguments:tt $returned:tt $covered:tt) => {
        $(covers! { @one $exported $name $arguments $returned $covered })*
    };

    // What happens on a covered number stands in a function of its own, so that the way past it needs no frame.
    (@body $name:ident
        ($number:ident: $number_type:ty $(, $argument:ident: $type:ty)*) ($($returned:ty)?) ($covered:ident) $body:expr
    ) => {
        #[inline(never)]
        #[allow(clippy::too_many_arguments)]
        pub(super) unsafe fn $name(
            $number: $number_type $(, $argument: $type)*, glanced: ha_core::number::Glanced
        ) $(-> $returned)? {
            let $covered = glanced.at($number);
            if !$covered.is_covered() {
                // SAFETY: see the macro.
                return unsafe { original::$name($number $(, $argument)*) };
            }
            // SAFETY: see the macro.
            #[allow(unused_unsafe)]
            unsafe { $body }
        }
    };

    // So does what can be done at once, for the same reason.
    (@body $name:ident
        ($($argument:ident: $type:ty),*) ($returned:ty) ($covered:ident at once $at_once:ident) $body:expr
    ) => {
        #[inline(never)]
        pub(super) unsafe fn $name($($argument: $type,)* glanced: ha_core::number::Glanced) -> $returned {
            // SAFETY: see the macro.
            match unsafe { $at_once($($argument,)* glanced) } {
                Some(value) => value,
                // SAFETY: see the macro.
                None => unsafe { $name::$name($($argument,)* glanced) },
            }
        }

        mod $name {
            use super::super::*;
            covers! { @body $name ($($argument: $type),*) ($returned) ($covered) $body }
        }
    };

    (@body $name:ident ($($argument:ident: $type:ty),*) ($($returned:ty)?) () $body:expr) => {
        #[inline]
        #[allow(dead_code, unused_variables)]
        pub(super) unsafe fn $name($($argument: $type),*) $(-> $returned)? {
            // SAFETY: see the macro.
            #[allow(unused_unsafe)]
            unsafe { $body }
        }
    };

    (@one $exported:literal $name:ident
        ($number:ident: $number_type:ty $(, $argument:ident: $type:ty)*) ($($returned:ty)?) ($covered:ident)
    ) => {
        const _: () = {
            #[cfg_attr(not(feature = "static"), unsafe(export_name = $exported))]
            #[cfg_attr(feature = "static", unsafe(export_name = concat!("__wrap_", $exported)))]
            unsafe extern "C-unwind" fn cover($number: $number_type $(, $argument: $type)*) $(-> $returned)? {
                let glanced = ha_core::number::glance($number);
                if glanced.is_covered() {
                    ha_core::number::rarely();
                    // SAFETY: see the macro.
                    unsafe { bodies::$name($number $(, $argument)*, glanced) }
                } else {
                    // SAFETY: see the macro.
                    unsafe { original::$name($number $(, $argument)*) }
                }
            }
        };
    };

    (@one $exported:literal $name:ident ($($argument:ident: $type:ty),*) ($($returned:ty)?) ()) => {
        const _: () = {
            #[cfg_attr(not(feature = "static"), unsafe(export_name = $exported))]
            #[cfg_attr(feature = "static", unsafe(export_name = concat!("__wrap_", $exported)))]
            unsafe extern "C-unwind" fn cover($($argument: $type),*) $(-> $returned)? {
                // SAFETY: see the macro.
                unsafe { bodies::$name($($argument),*) }
            }
        };
    };
}
pub(crate) use covers;
