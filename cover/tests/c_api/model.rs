//! What `include/ha` and DESIGN promise of each call: its result, and what it changes.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::os::fd::RawFd;

use libc::{EBADF, EBUSY, EINVAL, EPIPE};

use super::operation::{Command, Flags, Function};

/// What a call returns: a value, or an errno.
pub(crate) type Returned = Result<c_int, c_int>;

/// From the second fruitless recovery in a row on there are pauses, which grow.
const MOST_FRUITLESS: i32 = 5;

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// What is open, and for which connection each number stands: its place among all that were ever made.
    pub(crate) open: BTreeMap<RawFd, usize>,
    members: BTreeMap<RawFd, Member>,
    groups: Vec<Group>,
    /// Of all connections that were ever made.
    is_dead: Vec<bool>,
    /// How often recovery functions were called.
    pub(crate) called: usize,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    group: usize,
    /// Only because it was copied from a member.
    implied: bool,
}

/// What all copies of a number share.
#[derive(Debug)]
struct Group {
    function: Function,
    total: c_int,
    in_a_row: c_int,
    episodes: c_int,
    consecutive: c_int,
    suspended: bool,
}

impl Model {
    /// A new connection, under no number yet.
    fn new_connection(&mut self) -> usize {
        self.is_dead.push(false);
        self.is_dead.len() - 1
    }

    pub(crate) fn connect(&mut self, number: RawFd) {
        let connection = self.new_connection();
        self.open.insert(number, connection);
    }

    /// Returns the connection that is cut.
    pub(crate) fn die(&mut self, number: RawFd) -> Option<usize> {
        let connection = *self.open.get(&number)?;
        self.is_dead[connection] = true;
        Some(connection)
    }

    pub(crate) fn is_covered(&self, number: RawFd) -> bool {
        self.members.contains_key(&number)
    }

    pub(crate) fn attach(&mut self, number: RawFd, function: Function, flags: Flags) -> Returned {
        if matches!(flags, Flags::Unknown | Flags::ReplaceAndUnknown) {
            return Err(EINVAL);
        }
        if !self.open.contains_key(&number) {
            return Err(EBADF);
        }
        match (self.members.get(&number), flags) {
            (Some(member), Flags::Replace) => self.groups[member.group].function = function,
            (None, Flags::Replace) => return Err(EBADF),
            (Some(Member { implied: false, .. }), _) => return Err(EBUSY),
            (Some(Member { implied: true, .. }) | None, _) => {
                let (total, in_a_row, episodes, consecutive) = (-1, -1, 0, 0);
                self.groups.push(Group { function, total, in_a_row, episodes, consecutive, suspended: false });
                self.members.insert(number, Member { group: self.groups.len() - 1, implied: false });
            }
        }
        Ok(0)
    }

    pub(crate) fn detach(&mut self, number: RawFd) -> Returned {
        self.members.remove(&number).map_or(Err(EBADF), |_| Ok(0))
    }

    pub(crate) fn control(&mut self, number: RawFd, command: Command, limit: c_int) -> Returned {
        let group = &mut self.groups[self.members.get(&number).ok_or(EBADF)?.group];
        match command {
            Command::LimitTotal => group.total = limit,
            Command::LimitInARow => group.in_a_row = limit,
            Command::Suspend => group.suspended = true,
            Command::Enable => group.suspended = false,
            Command::ForgiveInARow => group.consecutive = 0,
            Command::ForgiveTotal => group.episodes = 0,
            Command::Unknown(_) => return Err(EINVAL),
        }
        Ok(0)
    }

    /// What a copy of `number` fails with; `ha_dup`, which does not imply, wants a member.
    pub(crate) fn refuses_copy(&self, number: RawFd, implied: bool) -> Option<c_int> {
        (!self.open.contains_key(&number) || !implied && !self.is_covered(number)).then_some(EBADF)
    }

    /// `copied` is now a copy of `number`, whatever it was before.
    pub(crate) fn copy(&mut self, number: RawFd, copied: RawFd, implied: bool) {
        self.open.insert(copied, self.open[&number]);
        match self.members.get(&number) {
            Some(member) => self.members.insert(copied, Member { implied, ..*member }),
            None => self.members.remove(&copied),
        };
    }

    pub(crate) fn dup2(&mut self, source: RawFd, target: RawFd, target_is_possible: bool) -> Returned {
        if !self.open.contains_key(&source) || !target_is_possible {
            return Err(EBADF);
        }
        if source != target {
            self.copy(source, target, true);
        }
        Ok(target)
    }

    pub(crate) fn close(&mut self, number: RawFd) -> Returned {
        self.members.remove(&number);
        self.open.remove(&number).map_or(Err(EBADF), |_| Ok(0))
    }

    /// Whether a write would have to pause before its recovery for longer than a script may take.
    pub(crate) fn would_pause_long(&self, number: RawFd) -> bool {
        self.members.get(&number).is_some_and(|member| self.groups[member.group].consecutive >= MOST_FRUITLESS)
    }

    pub(crate) fn write(&mut self, number: RawFd) -> Returned {
        let connection = *self.open.get(&number).ok_or(EBADF)?;
        if !self.is_dead[connection] {
            return Ok(1);
        }
        let Member { group, .. } = *self.members.get(&number).ok_or(EPIPE)?;
        let shared = &mut self.groups[group];
        let allows = |limit: c_int, count: c_int| limit < 0 || count < limit;
        let is_allowed = allows(shared.total, shared.episodes) && allows(shared.in_a_row, shared.consecutive);
        if shared.suspended || !is_allowed {
            return Err(EPIPE);
        }
        shared.episodes += 1;
        shared.consecutive += 1;
        self.called += usize::from(shared.function != Function::Missing);
        if shared.function != Function::Again {
            return Err(EPIPE);
        }
        shared.consecutive = 0;
        let fresh = self.new_connection();
        for (number, member) in &self.members {
            if member.group == group {
                self.open.insert(*number, fresh);
            }
        }
        Ok(1)
    }
}
