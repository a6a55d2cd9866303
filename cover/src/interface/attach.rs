//! `ha_attach`, `ha_detach`.

use std::ffi::{c_int, c_uint, c_void};

use ha_core::number::{self, Policy};
use ha_core::rustix::io::Errno;

use super::done;
use super::function::{Function, RecoveryFunction};
use crate::start;

/// `HAREPLACERECOVERYFN`.
pub(super) const REPLACE: c_uint = 1;

/// Attaches a recovery function to a number, or replaces the one that it has.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ha_attach(
    coid: c_int,
    rfn: RecoveryFunction,
    rhdl: *mut c_void,
    flags: c_uint,
) -> c_int {
    done(attach(coid, rfn, rhdl, flags))
}

/// Makes a number an ordinary one.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn ha_detach(coid: c_int) -> c_int {
    done(number::detach(coid))
}

pub(super) fn attach(
    number: c_int,
    function: RecoveryFunction,
    handle: *mut c_void,
    flags: c_uint,
) -> Result<(), Errno> {
    if flags & !REPLACE != 0 {
        return Err(Errno::INVAL);
    }
    if start::is_secure() {
        return Err(Errno::PERM);
    }
    let function = Function::boxed(function, handle);
    let attached = if flags & REPLACE == 0 {
        number::attach(number, function, Policy::obedient())
    } else {
        number::replace(number, function)
    };
    attached.map_err(|error| error.errno())
}
