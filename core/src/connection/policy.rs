//! The policy: what a connection's user has decided about its recovery, once and for all.

use std::fmt;
use std::io::IoSlice;
use std::num::NonZeroI32;
use std::os::fd::RawFd;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use smallvec::SmallVec;

use super::history::Episode;
use super::operation::Operation;
use crate::sync::Arc;

/// Looks at every episode after its verdict.
pub(crate) type Observer = Arc<dyn Fn(&Episode) + Send + Sync>;

/// Sees every transfer of a connection whose protocol nobody has told libha, and says when a recovery would do harm.
///
/// Its connection's words carry DETOUR: every call on it leaves the success path.
pub trait Watch: Send + Sync {
    /// A call is about to give bytes to the connection.
    fn before_write(&self, number: RawFd);
    /// The kernel has accepted these bytes, in this order.
    fn wrote(&self, parts: &[IoSlice<'_>]);
    /// The kernel has moved so many bytes to the connection, and nobody has seen which.
    fn wrote_unseen(&self, bytes: usize);
    /// So many bytes were received; 0: the program was told that none will come.
    fn received(&self, bytes: usize);
    /// Whether a connection that died in this operation may be recovered now.
    fn permits(&self, operation: Operation) -> bool;
}

/// How a connection is recovered.
#[derive(Clone)]
pub struct Policy {
    /// How long an episode may take; `None`: as long as the recovery function takes.
    pub(crate) deadline: Option<Duration>,
    /// Whether an attempt that fails is followed by another one, until the deadline.
    pub(crate) persists: bool,
    /// The first pause between attempts; each next one is twice as long, up to `longest_pause`.
    pub(crate) first_pause: Duration,
    pub(crate) longest_pause: Duration,
    /// The first attempt comes at a random moment within this time, so that many clients do not come at once.
    pub(crate) spread: Duration,
    /// Whether end of file means that the peer is gone.
    pub(crate) end_of_file_is_death: bool,
    /// Errors that mean death in addition to those of the connection's kind.
    pub(crate) also_deadly: ErrnoSet,
    /// Errors that do not mean death although the connection's kind says so.
    pub(crate) not_deadly: ErrnoSet,
    /// Whether a TCP socket may be revived in place although other processes may share it.
    pub(crate) in_place_after_fork: bool,
    /// The real-time signal that moves threads blocked on something that is no socket.
    pub(crate) kick: Option<NonZeroI32>,
    /// Where to look for epoll instances that watch a member.
    pub(crate) watched: Watched,
    pub(crate) observer: Option<Observer>,
    pub(crate) watch: Option<Arc<dyn Watch>>,
    /// Whether the program does not know that it is recovered.
    pub(crate) unaware: bool,
}

/// How epoll instances that watch a member are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// Nobody has to be found: the user says that there are none.
    Nowhere,
    /// Any epoll instance of this process may: /proc/self/fd is searched in each staged transplant.
    Everywhere,
    /// These may.
    By(SmallVec<[RawFd; 2]>),
}

impl Policy {
    /// What our own recoveries do: persist until the deadline, with jitter before every attempt.
    #[must_use]
    pub fn persistent() -> Self {
        Self {
            deadline: Some(Duration::from_secs(30)),
            persists: true,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_secs(1),
            spread: Duration::from_millis(2),
            end_of_file_is_death: true,
            also_deadly: ErrnoSet::EMPTY,
            not_deadly: ErrnoSet::EMPTY,
            in_place_after_fork: false,
            kick: None,
            watched: Watched::Everywhere,
            observer: None,
            watch: None,
            unaware: false,
        }
    }

    /// What QNX's library does: the recovery function is called once per failure, at once, and has all the time it
    /// takes. From the second recovery in a row on there is a pause before it, so that a server that always fails and a
    /// function that always succeeds do not spin.
    #[must_use]
    pub fn obedient() -> Self {
        Self { deadline: None, persists: false, spread: Duration::ZERO, ..Self::persistent() }
    }

    /// Bounds how long recoveries may hold one call up.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The program does not know that it is recovered, and must not be worse off than without: nothing is recovered on which it has
    /// set locks, which are lost with the old description; and what a recovery may have lost is said at the close as well,
    /// because many programs that would have stopped at a failed write do not sync.
    #[must_use]
    pub fn unaware(mut self) -> Self {
        self.unaware = true;
        self
    }

    /// Shows every transfer to `watch`, and asks it before each recovery.
    #[must_use]
    pub fn watched_by(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// The pauses between attempts: exponential, each multiplied by a random fraction ("full jitter").
    ///
    /// backon's own jitter adds to the delay (from one to two times), so it is not used: after a server's restart it
    /// would keep clients together that failed together.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.first_pause.min(self.longest_pause))
            .with_max_delay(self.longest_pause)
            .without_max_times()
            .build()
            .map(jittered)
    }

    /// The pause before the first attempt of an episode that follows `consecutive` fruitless recoveries.
    pub(crate) fn pause_before_first(&self, consecutive: u32) -> Duration {
        match consecutive.checked_sub(1) {
            None => jittered(self.spread),
            Some(earlier) => {
                let pause = self.first_pause.saturating_mul(1 << earlier.min(20));
                jittered(pause.min(self.longest_pause))
            }
        }
    }
}

fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(fastrand::f64())
}

impl fmt::Debug for Policy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Policy")
            .field("deadline", &self.deadline)
            .field("persists", &self.persists)
            .field("end_of_file_is_death", &self.end_of_file_is_death)
            .finish_non_exhaustive()
    }
}

/// A set of errnos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrnoSet([u64; 3]);

impl ErrnoSet {
    pub(crate) const EMPTY: Self = Self([0; 3]);

    pub(crate) fn insert(&mut self, errno: rustix::io::Errno) {
        if let Some((word, bit)) = self.place(errno) {
            self.0[word] |= bit;
        }
    }

    pub(crate) fn contains(&self, errno: rustix::io::Errno) -> bool {
        self.place(errno).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    /// Linux's own errnos end at 133; what lies beyond 191 is in no set.
    fn place(&self, errno: rustix::io::Errno) -> Option<(usize, u64)> {
        let raw = usize::try_from(errno.raw_os_error()).ok()?;
        (raw / 64 < self.0.len()).then_some((raw / 64, 1 << (raw % 64)))
    }
}

impl FromIterator<rustix::io::Errno> for ErrnoSet {
    fn from_iter<I: IntoIterator<Item = rustix::io::Errno>>(errnos: I) -> Self {
        let mut set = Self::EMPTY;
        errnos.into_iter().for_each(|errno| set.insert(errno));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let policy = Policy { first_pause: Duration::from_millis(10), ..Policy::persistent() };
        let ceilings = [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000];
        for (pause, ceiling) in policy.pauses().zip(ceilings) {
            assert!(pause <= Duration::from_millis(ceiling), "{pause:?} is above {ceiling} ms");
        }
    }

    #[test]
    fn the_first_recovery_waits_for_no_longer_than_the_spread() {
        let policy = Policy { spread: Duration::ZERO, ..Policy::persistent() };
        assert_eq!(policy.pause_before_first(0), Duration::ZERO);
        assert!((1..100).all(|count| policy.pause_before_first(count) <= policy.longest_pause));
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set: ErrnoSet = [Errno::PIPE, Errno::STALE].into_iter().collect();
        assert!(set.contains(Errno::PIPE) && set.contains(Errno::STALE));
        assert!(!set.contains(Errno::IO));
        assert!(!set.contains(Errno::from_raw_os_error(4000)));
    }
}
