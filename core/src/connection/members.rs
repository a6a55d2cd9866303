//! The numbers that share a connection: the first one, and whatever was dup'd from it.

use std::os::fd::RawFd;

use smallvec::SmallVec;

use super::change::Change;
use crate::sync::lock::Lock;

/// Nearly every connection has one to four numbers.
pub(crate) type Numbers = SmallVec<[RawFd; 4]>;

#[derive(Debug)]
pub(crate) struct Members(Lock<Numbers>);

impl Members {
    pub(crate) fn of(number: RawFd) -> Self {
        Self(Lock::new(SmallVec::from_slice(&[number])))
    }

    /// The numbers as they are now. Each one's word tells whether it still belongs here when it is used.
    pub(crate) fn numbers(&self, _: &Change) -> Numbers {
        self.0.lock().clone()
    }

    /// Adds `number` if `admit` still says so once nobody else can add or remove.
    pub(crate) fn join_if(&self, _: &Change, number: RawFd, admit: impl FnOnce() -> bool) -> bool {
        let mut numbers = self.0.lock();
        let admitted = admit();
        if admitted && !numbers.contains(&number) {
            numbers.push(number);
        }
        admitted
    }

    /// Removes `number` if `unlink`, called while nobody else can add or remove, says that it is out of the table.
    pub(crate) fn leave_if(&self, _: &Change, number: RawFd, unlink: impl FnOnce() -> bool) {
        let mut numbers = self.0.lock();
        if unlink() {
            numbers.retain(|member| *member != number);
        }
    }
}
