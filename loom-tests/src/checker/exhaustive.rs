//! Loom.

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::{lazy_static, sync, thread, thread_local};
