//! The numbers that share a connection: the first one, and whatever was dup'd from it.

use std::os::fd::RawFd;

use smallvec::SmallVec;

use super::change::Change;
use crate::sync::lock::Lock;

/// Nearly every connection has one to four numbers.
pub(crate) type Numbers = SmallVec<[RawFd; 4]>;

/// How a number has come to be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// It was attached, or copied by someone who asked for a covered copy.
    Asked,
    /// It is a plain copy (dup, dup2, F_DUPFD): covered so that it is not lost, free to be attached on its own.
    Implied,
}

#[derive(Debug)]
pub(crate) struct Members(Lock<Lists>);

#[derive(Debug)]
struct Lists {
    numbers: Numbers,
    /// Those of `numbers` whose membership is implied.
    implied: SmallVec<[RawFd; 2]>,
}

impl Members {
    pub(crate) fn of(number: RawFd) -> Self {
        Self(Lock::new(Lists { numbers: SmallVec::from_slice(&[number]), implied: SmallVec::new() }))
    }

    /// The numbers as they are now. Each one's word tells whether it still belongs here when it is used.
    pub(crate) fn numbers(&self, _: &Change) -> Numbers {
        self.0.lock().numbers.clone()
    }

    /// Whether `number` is a member that nobody has asked for.
    pub(crate) fn is_implied(&self, _: &Change, number: RawFd) -> bool {
        self.0.lock().implied.contains(&number)
    }

    /// From now on nobody has asked for the membership of `number`.
    pub(crate) fn imply(&self, _: &Change, number: RawFd) {
        let mut lists = self.0.lock();
        if lists.numbers.contains(&number) && !lists.implied.contains(&number) {
            lists.implied.push(number);
        }
    }

    /// Adds `number` if `admit` still says so once nobody else can add or remove.
    pub(crate) fn join_if(
        &self,
        _: &Change,
        number: RawFd,
        membership: Membership,
        admit: impl FnOnce() -> bool,
    ) -> bool {
        let mut lists = self.0.lock();
        let admitted = admit();
        if admitted && !lists.numbers.contains(&number) {
            lists.numbers.push(number);
            if membership == Membership::Implied {
                lists.implied.push(number);
            }
        }
        admitted
    }

    /// Removes `number` if `unlink`, called while nobody else can add or remove, says that it is out of the table.
    pub(crate) fn leave_if(&self, _: &Change, number: RawFd, unlink: impl FnOnce() -> bool) {
        let mut lists = self.0.lock();
        if unlink() {
            lists.numbers.retain(|member| *member != number);
            lists.implied.retain(|member| *member != number);
        }
    }
}
