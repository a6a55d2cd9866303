//! The mutex and the read-write lock of the cold paths: std's, without poisoning.
//!
//! No code of the client runs under them, so a panic cannot leave what they protect half done.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct SharedLock(RwLock<()>);

pub(crate) type Shared = RwLockReadGuard<'static, ()>;
pub(crate) type Exclusive = RwLockWriteGuard<'static, ()>;

impl SharedLock {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(()))
    }

    pub(crate) fn share(&'static self) -> Shared {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn exclude(&'static self) -> Exclusive {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
