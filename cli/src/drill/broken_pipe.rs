//! SIGPIPE, which must not reach a program through a number that is recovered.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::SIGPIPE;

static RAISED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on the signal is neither ignored nor deadly, but remembered.
pub(crate) fn watch() -> io::Result<()> {
    signal_hook::flag::register(SIGPIPE, Arc::clone(&RAISED)).map(drop)
}

/// Whether the signal has come since this was asked last.
pub(crate) fn was_raised() -> bool {
    RAISED.swap(false, SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_remembered_once() {
        watch().unwrap();
        signal_hook::low_level::raise(SIGPIPE).unwrap();
        assert!(was_raised());
        assert!(!was_raised());
    }
}
