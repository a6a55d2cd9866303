//! What has happened to a connection: counts, and its last episode.

use std::os::fd::RawFd;
use std::time::Duration;

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
    last: ArcSwapOption<Episode>,
}

impl History {
    pub(crate) fn note(&self, episode: &Episode) {
        self.episodes.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(episode.attempts.into(), Ordering::Relaxed);
        if episode.verdict == Verdict::Recovered {
            self.recoveries.fetch_add(1, Ordering::Relaxed);
        }
        self.last.store(Some(Arc::new(episode.clone())));
    }

    pub(crate) fn note_retransmission(&self) {
        self.retransmitted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn report(&self, generation: u32) -> Report {
        let episodes = self.episodes.load(Ordering::Relaxed);
        let recoveries = self.recoveries.load(Ordering::Relaxed);
        let last = self.last.load();
        Report {
            episodes,
            recoveries,
            given_up: episodes.saturating_sub(recoveries),
            attempts: self.attempts.load(Ordering::Relaxed),
            retransmitted: self.retransmitted.load(Ordering::Relaxed),
            generation,
            last_failure: last.as_ref().map(|episode| episode.failure),
            last_error: last.as_ref().and_then(|episode| episode.error.clone()),
            last_duration: last.as_ref().map(|episode| episode.duration),
        }
    }
}
