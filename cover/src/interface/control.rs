//! `ha_connection_ctrl`.

use std::ffi::{c_int, c_void};

use ha_core::number::{self, Control};
use ha_core::rustix::io::Errno;

use super::done;

/// Sets limits, starts counts anew, turns recovery off and on.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn ha_connection_ctrl(coid: c_int, command: c_int, args: *mut c_void) -> c_int {
    done(control(coid, command, args))
}

fn control(number: c_int, command: c_int, arguments: *mut c_void) -> Result<(), Errno> {
    // The integer itself, in the low half of the pointer: (void *)-1 and (void *)(intptr_t)-1 are the same.
    #[allow(clippy::cast_possible_truncation)]
    let limit = arguments.addr() as u32 as i32;
    let control = match command {
        1 => Control::LimitTotal(limit),
        2 => Control::LimitInARow(limit),
        3 => Control::Suspend,
        4 => Control::Resume,
        5 => Control::ForgiveInARow,
        6 => Control::ForgiveTotal,
        _ if number::capture(number).is_covered() => return Err(Errno::INVAL),
        _ => return Err(Errno::BADF),
    };
    number::control(number, control)
}
