//! The mutex, and the lock that fork waits for.

use crate::checker::sync::{Mutex, MutexGuard};

#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("loom's mutex is not poisoned")
    }
}

#[derive(Debug)]
pub(crate) struct SharedLock;

pub(crate) struct Shared;
pub(crate) struct Exclusive;

impl SharedLock {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn share(&self) -> Shared {
        Shared
    }

    pub(crate) fn exclude(&self) -> Exclusive {
        Exclusive
    }
}
