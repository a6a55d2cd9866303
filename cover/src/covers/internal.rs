//! What libc's stdio calls by private names. In a program that is linked statically there are no tables to change, and the linker
//! leads these names to their covers.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_int, c_void};

use ha_core::number::{Request, detach};
use libc::{iovec, off_t, size_t, ssize_t, stat};

use super::{control, quiet, transmit};
use crate::original::covers;
use crate::returned::call;

covers! {
    /// read(2), not a cancellation point.
    ["__read_nocancel"]
    fn __read_nocancel(number: c_int, buffer: *mut c_void, count: size_t) -> ssize_t as covered
        => transmit::reads(covered, number, count, |number| original::__read_nocancel(number, buffer, count));

    /// write(2), not a cancellation point.
    ["__write_nocancel"]
    fn __write_nocancel(number: c_int, buffer: *const c_void, count: size_t) -> ssize_t as covered
        => {
            let part = iovec { iov_base: buffer.cast_mut(), iov_len: count };
            quiet::write(covered, number, &[part], |number| original::__write_nocancel(number, buffer, count))
        };

    /// close(2), not a cancellation point: fclose.
    ["__close_nocancel"]
    fn __close_nocancel(number: c_int) -> c_int as covered
        => {
            let _ = covered;
            // Not attached any more is as good.
            let _ = detach(number);
            original::__close_nocancel(number)
        };

    /// lseek(2).
    ["__lseek64"]
    fn __lseek64(number: c_int, offset: off_t, whence: c_int) -> off_t as covered
        => control::seeks(covered, number, offset, whence, |number| original::__lseek64(number, offset, whence));

    /// fstat(2).
    ["__fstat64"]
    fn __fstat64(number: c_int, status: *mut stat) -> c_int as covered
        => call(covered, Request::CONTROL, |number| original::__fstat64(number, status));
}
