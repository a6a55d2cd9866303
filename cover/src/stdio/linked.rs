//! The covers of stdio in a program that is linked statically: it was linked with the options of `STATIC.md`, or not.

use crate::original::is_led_here;

pub(crate) fn start() {}

/// Whether FILEs on covered descriptors are covered.
pub(crate) fn is_covered() -> bool {
    [c"__read", c"__write", c"__close_nocancel"].into_iter().all(is_led_here)
}

/// Why they are not.
pub(crate) fn refusal() -> Option<String> {
    let reason = "the program was linked without the options that pkg-config --static --libs ha gives";
    (!is_covered()).then(|| reason.to_owned())
}
