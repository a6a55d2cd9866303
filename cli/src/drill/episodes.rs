//! The episodes of one connection, and the promise they are held to: one recovery per death, never two.

use std::sync::{Arc, Mutex, PoisonError};

use ha_core::{Episode, Verdict};
use hdrhistogram::Histogram;

/// Recovery latencies of one transport, in microseconds.
pub(crate) type Latency = Arc<Mutex<Histogram<u64>>>;

/// What a connection's `on_verdict` has been told.
#[derive(Debug)]
pub(crate) struct Episodes {
    connection: String,
    seen: Mutex<Seen>,
    latency: Latency,
}

#[derive(Debug, Default)]
struct Seen {
    generations: Vec<u32>,
    given_up: Vec<String>,
    /// The incarnation of the server that the connection reached last; 0 when it cannot be known.
    incarnation: u64,
    reached_twice: Vec<u64>,
}

impl Episodes {
    /// No episode yet.
    pub(crate) fn of(connection: String, latency: Latency) -> Self {
        Self { connection, seen: Mutex::default(), latency }
    }

    /// Notes an episode.
    pub(crate) fn note(&self, episode: &Episode) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match episode.verdict {
            Verdict::Recovered => {
                seen.generations.push(episode.generation);
                let micros = u64::try_from(episode.duration.as_micros()).unwrap_or(u64::MAX);
                self.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros.max(1));
            }
            Verdict::GivenUp => seen.given_up.push(format!(
                "{}: given up after {} attempts in {:?}; the call on number {} had failed with: {}",
                self.connection, episode.attempts, episode.duration, episode.number, episode.failure
            )),
        }
    }

    /// Notes that the connection has reached this incarnation of the server, at the beginning or by a recovery.
    ///
    /// A recovery is due when the server has died, so each has to reach a later one.
    pub(crate) fn reached(&self, incarnation: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if incarnation <= seen.incarnation {
            seen.reached_twice.push(incarnation);
        }
        seen.incarnation = incarnation;
    }

    /// How many episodes there were, and how many of them recovered.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let recovered = seen.generations.len() as u64;
        (recovered + seen.given_up.len() as u64, recovered)
    }

    /// Everything that a connection that saw `deaths` deaths must not have done.
    pub(crate) fn violations(&self, deaths: u64) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Verdicts are reported without a lock held, so two in a row can arrive in either order.
        seen.generations.sort_unstable();
        let mut violations = seen.given_up.clone();
        violations.extend(flawed_generations(&seen.generations).map(|flaw| format!("{}: {flaw}", self.connection)));
        if let Some(incarnation) = seen.reached_twice.first() {
            let times = seen.reached_twice.len();
            violations.push(format!(
                "{}: {times} recoveries of a connection whose server was alive, the first to server {incarnation}",
                self.connection
            ));
        }
        if seen.generations.len() as u64 > deaths {
            violations.push(format!(
                "{}: {} recoveries, but only {deaths} deaths of the server",
                self.connection,
                seen.generations.len()
            ));
        }
        violations
    }
}

/// A drill stays far below the 32768 recoveries at which generations wrap around.
fn flawed_generations(sorted: &[u32]) -> Option<String> {
    let (expected, found) = (1_u32..).zip(sorted).find(|(expected, found)| expected != *found)?;
    Some(if *found < expected {
        format!("generation {found} was recovered twice")
    } else {
        format!("generation {expected} is missing: {found} came instead")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_generations_are_as_promised() {
        assert_eq!(flawed_generations(&[]), None);
        assert_eq!(flawed_generations(&[1, 2, 3]), None);
    }

    #[test]
    fn two_recoveries_for_one_generation_are_found() {
        assert_eq!(flawed_generations(&[1, 2, 2, 3]).as_deref(), Some("generation 2 was recovered twice"));
    }

    #[test]
    fn a_recovery_that_reaches_the_same_server_again_is_found() {
        let latency = Arc::new(Mutex::new(Histogram::new_with_bounds(1, 1000, 3).unwrap()));
        let episodes = Episodes::of("tcp connection 0".to_owned(), latency);
        [1, 2, 5].into_iter().for_each(|incarnation| episodes.reached(incarnation));
        assert_eq!(episodes.violations(9), Vec::<String>::new());
        episodes.reached(5);
        assert!(episodes.violations(9)[0].ends_with("the first to server 5"));
    }

    #[test]
    fn a_generation_left_out_is_found() {
        assert_eq!(flawed_generations(&[1, 3]).as_deref(), Some("generation 2 is missing: 3 came instead"));
    }
}
