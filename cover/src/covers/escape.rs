//! What passes by the covers: `syscall`, which is led back to them, and what cannot be: aio and io_uring, which are named in
//! the log.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use ha_core::number::capture;

use crate::original::covers;
use crate::system_call::led_back;

covers! {
    /// syscall(2): calls on covered numbers are led back to the engine.
    ["syscall"]
    fn syscall(call: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long
        => led_back(call, [a, b, c, d, e, f]);

    /// aio_read(3): passes libha by, in a thread of libc's own.
    ["aio_read", "aio_read64"]
    fn aio_read(block: *mut c_void) -> c_int => { outside(block); original::aio_read(block) };

    /// aio_write(3): passes libha by.
    ["aio_write", "aio_write64"]
    fn aio_write(block: *mut c_void) -> c_int => { outside(block); original::aio_write(block) };

    /// aio_fsync(3): passes libha by.
    ["aio_fsync", "aio_fsync64"]
    fn aio_fsync(operation: c_int, block: *mut c_void) -> c_int
        => { outside(block); original::aio_fsync(operation, block) };

    /// lio_listio(3): passes libha by.
    ["lio_listio", "lio_listio64"]
    fn lio_listio(mode: c_int, blocks: *const *mut c_void, many: c_int, event: *mut c_void) -> c_int
        => {
            for index in 0..usize::try_from(many).unwrap_or(0) {
                outside(blocks.add(index).read());
            }
            original::lio_listio(mode, blocks, many, event)
        };
}

/// Says once that a covered number is used where libha cannot see it.
///
/// # Safety
///
/// `block` is null or a control block (aio(7)), which begins with its number.
unsafe fn outside(block: *mut c_void) {
    static SAID: AtomicBool = AtomicBool::new(false);
    // SAFETY: the caller's.
    let Some(number) = (unsafe { block.cast::<c_int>().as_ref() }) else { return };
    // Relaxed: a second line would do no harm.
    if capture(*number).is_covered() && !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(target: "ha", number, "aio on a covered descriptor is outside of libha: it will not be recovered");
    }
}

/// Says once that this process uses io_uring.
#[cold]
pub(crate) fn io_uring() {
    static SAID: AtomicBool = AtomicBool::new(false);
    // Relaxed: as above.
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(target: "ha", "io_uring is outside of libha: descriptors used through it will not be recovered");
    }
}
