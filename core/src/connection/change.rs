//! Changes of the structure: what fork waits for.
//!
//! fork copies one thread, and whatever another one was in the middle of stays so in the child. So every change of
//! who belongs to what (attach, detach, join, the maps, a look at the members) is made under a [`Change`], and fork
//! happens between changes.

use crate::kernel::signals::Blocked;
use crate::sync::lock::{Exclusive, Shared, SharedLock};
use crate::sync::process_wide;

process_wide! {
    static CHANGES: SharedLock = SharedLock::new();
}

/// While it lives, fork waits, and no signal handler runs on this thread (one that forks would wait for ever).
pub(crate) struct Change {
    _shared: Shared,
    _signals: Blocked,
}

/// Begins a change. It must not be nested, must be short, and no code of the client may run under it.
pub(crate) fn change() -> Change {
    let signals = Blocked::all();
    Change { _shared: CHANGES.share(), _signals: signals }
}

/// While it lives, nothing changes.
pub(crate) struct Stillness {
    _exclusive: Exclusive,
    _signals: Blocked,
}

/// Waits until all changes are done, and holds back new ones.
pub(crate) fn stillness() -> Stillness {
    let signals = Blocked::all();
    Stillness { _exclusive: CHANGES.exclude(), _signals: signals }
}
