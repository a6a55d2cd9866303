//! The covers of stdio in a program that is linked dynamically.

use std::sync::OnceLock;

use super::slots;
use super::tables::{self, Patched, Refused};

static OUTCOME: OnceLock<Result<Patched, Refused>> = OnceLock::new();

/// Puts the covers in place. To be called from the constructor.
pub(crate) fn start() {
    OUTCOME.get_or_init(|| {
        let originals = slots::start().ok_or(Refused::Symbols)?;
        tables::patch(originals, &slots::OURS)
    });
}

/// Whether FILEs on covered descriptors are covered.
pub(crate) fn is_covered() -> bool {
    matches!(OUTCOME.get(), Some(Ok(Patched { read: 1.., write: 1.., close: 1.., .. })))
}

/// Why they are not.
pub(crate) fn refusal() -> Option<String> {
    OUTCOME.get().and_then(|outcome| outcome.err()).map(|refused| refused.to_string())
}
