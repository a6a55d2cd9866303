//! `ha_coverage`: do the covers stand in front of libc?

use std::ffi::c_uint;

use crate::original::is_led_here;
use crate::{start, stdio};

/// `HA_COVERS_CALLS`.
pub(crate) const CALLS: c_uint = 1;
/// `HA_COVERS_STDIO`.
pub(crate) const STDIO: c_uint = 2;

/// Tells what of this program's calls libha sees.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn ha_coverage() -> c_uint {
    if start::is_secure() {
        return 0;
    }
    let calls = if is_led_here(c"write") { CALLS } else { 0 };
    let stdio = if stdio::is_covered() { STDIO } else { 0 };
    calls | stdio
}
