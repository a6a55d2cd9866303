//! What has happened to a connection: counts, and its last episode.

use std::os::fd::RawFd;
use std::time::Duration;

use rustix::io::Errno;

use crate::sync::ArcSwapOption;

use super::function::Failure;
use crate::sync::{Arc, AtomicU64, Ordering};

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connection is back; every call that failed has been or will be issued again.
    Recovered,
    /// It is not; every call gets its original result.
    GivenUp,
}

/// One episode, from the failure to its verdict.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Episode {
    /// The number whose call failed first.
    pub number: RawFd,
    /// How that call failed.
    pub failure: Failure,
    /// How often the recovery function was called.
    pub attempts: u32,
    /// From the moment the failure was noticed to the verdict.
    pub duration: Duration,
    /// Bytes from the dead server that nobody had read.
    pub unread: usize,
    /// Bytes written that the peer's kernel never acknowledged (`SIOCOUTQ`); known for TCP only.
    pub unsent: Option<usize>,
    /// How many numbers the new description was put under.
    pub moved: usize,
    /// The connection's generation after the verdict: it counts successful recoveries, modulo 2^15.
    pub generation: u32,
    /// How it ended.
    pub verdict: Verdict,
    /// Why the last attempt failed, when it did.
    pub error: Option<String>,
    /// What else could not be done as it should: a number that could not be replaced, a flag that is lost.
    pub troubles: Vec<String>,
}

/// What has happened to a connection since it was attached.
///
/// Asked for while an episode ends, each figure is right, but what is said of the last one may be of two.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Episodes that have ended.
    pub episodes: u64,
    /// Those that ended with a recovery.
    pub recoveries: u64,
    /// Those that were given up, including those that a limit forbade, without calling the recovery function.
    pub given_up: u64,
    /// How often the recovery function was called.
    pub attempts: u64,
    /// Calls that were issued again after a recovery, whether or not they have returned.
    pub retransmitted: u64,
    /// The generation the connection is in: successful recoveries, modulo 2^15.
    pub generation: u32,
    /// How the failure showed that opened the last episode.
    pub last_failure: Option<Failure>,
    /// Why the last episode was given up; after a recovery, what its last failed attempt had met.
    pub last_error: Option<String>,
    /// How long the last episode took.
    pub last_duration: Option<Duration>,
}

/// Counts are statistics: each is right, no two need to be right together. So everything is Relaxed.
#[derive(Debug, Default)]
pub(crate) struct History {
    episodes: AtomicU64,
    recoveries: AtomicU64,
    attempts: AtomicU64,
    retransmitted: AtomicU64,
    /// See [`packed`].
    last_failure: AtomicU64,
    /// In nanoseconds.
    last_duration: AtomicU64,
    last_error: ArcSwapOption<String>,
}

impl History {
    pub(crate) fn note(&self, episode: &Episode) {
        self.episodes.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(episode.attempts.into(), Ordering::Relaxed);
        if episode.verdict == Verdict::Recovered {
            self.recoveries.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(episode.duration.as_nanos()).unwrap_or(u64::MAX);
        self.last_duration.store(nanoseconds, Ordering::Relaxed);
        self.last_failure.store(packed(episode.failure), Ordering::Relaxed);
        // A store visits every thread that has loaded anything like it. Where the first attempt succeeds there is none.
        if episode.error.is_some() || self.last_error.load().is_some() {
            self.last_error.store(episode.error.clone().map(Arc::new));
        }
    }

    pub(crate) fn note_retransmission(&self) {
        self.retransmitted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn report(&self, generation: u32) -> Report {
        let episodes = self.episodes.load(Ordering::Relaxed);
        let recoveries = self.recoveries.load(Ordering::Relaxed);
        let last_failure = unpacked(self.last_failure.load(Ordering::Relaxed));
        let last_duration = Duration::from_nanos(self.last_duration.load(Ordering::Relaxed));
        Report {
            episodes,
            recoveries,
            given_up: episodes.saturating_sub(recoveries),
            attempts: self.attempts.load(Ordering::Relaxed),
            retransmitted: self.retransmitted.load(Ordering::Relaxed),
            generation,
            last_failure,
            last_error: self.last_error.load().as_deref().cloned(),
            last_duration: last_failure.map(|_| last_duration),
        }
    }
}

const ERRNO: u64 = 1;
const END_OF_FILE: u64 = 2;
const TORN: u64 = 3;
const TAG_BITS: u32 = 2;

/// A failure in one word, the tag lowest; never zero.
fn packed(failure: Failure) -> u64 {
    match failure {
        Failure::Errno(errno) => u64::from(errno.raw_os_error().unsigned_abs()) << TAG_BITS | ERRNO,
        Failure::EndOfFile => END_OF_FILE,
        Failure::Torn(bytes) => (bytes as u64) << TAG_BITS | TORN,
    }
}

fn unpacked(word: u64) -> Option<Failure> {
    let value = word >> TAG_BITS;
    match word & ((1 << TAG_BITS) - 1) {
        ERRNO => Some(Failure::Errno(Errno::from_raw_os_error(value as i32))),
        END_OF_FILE => Some(Failure::EndOfFile),
        TORN => Some(Failure::Torn(value as usize)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_comes_back_as_it_was_noted() {
        for failure in [Failure::Errno(Errno::CONNRESET), Failure::EndOfFile, Failure::Torn(0), Failure::Torn(1 << 40)]
        {
            assert_eq!(unpacked(packed(failure)), Some(failure));
        }
        assert_eq!(unpacked(0), None);
    }
}
