//! What a covered call does.

/// What a covered call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Takes bytes from the description: at its own offset, or at this one.
    Read {
        /// Where, in bytes from the file's beginning.
        at: Option<u64>,
    },
    /// Gives bytes to the description.
    Write,
    /// Makes what was written durable: repaired, but never reported as done (a success would be a lie).
    Sync,
    /// Asks or changes something else: seek, stat, truncate, ioctl.
    Control,
    /// Changes what the application wants of the description: shutdown.
    Passive,
}
