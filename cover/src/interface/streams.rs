//! `ha_fopen`, `ha_fclose`.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

use ha_core::number::{errno, uncancelled};
use ha_core::rustix::io::Errno;
use libc::FILE;

use super::attach::attach;
use super::function::RecoveryFunction;
use crate::returned::failed;

/// fopen(3), then `ha_attach` to its number.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_fopen(
    path: *const c_char,
    mode: *const c_char,
    rfn: RecoveryFunction,
    rhdl: *mut c_void,
    haflags: c_uint,
) -> *mut FILE {
    if path.is_null() || mode.is_null() {
        errno::set(libc::EINVAL);
        return ptr::null_mut();
    }
    uncancelled(|| {
        // SAFETY: the caller's.
        let stream = unsafe { libc::fopen(path, mode) };
        if stream.is_null() {
            return stream;
        }
        // SAFETY: just opened.
        let number = unsafe { libc::fileno(stream) };
        match attach(number, rfn, rhdl, haflags) {
            Ok(()) => stream,
            Err(refused) => {
                // SAFETY: just opened, and known to nobody else.
                unsafe { libc::fclose(stream) };
                errno::set(refused.raw_os_error());
                ptr::null_mut()
            }
        }
    })
}

/// fclose(3), whose cover writes what is buffered, which may still recover, and then detaches the number.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_fclose(stream: *mut FILE) -> c_int {
    if stream.is_null() {
        return failed(Errno::INVAL);
    }
    // SAFETY: the caller's stream.
    uncancelled(|| unsafe { libc::fclose(stream) })
}
