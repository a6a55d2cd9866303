//! The episodes of one connection, and the promise they are held to: one recovery per death, never two.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Generations are counted modulo this.
pub(crate) const MODULUS: u64 = 1 << 15;

/// How often each generation has come.
type Counts = BTreeMap<u32, u64>;

/// Recovery latencies of one transport, in microseconds.
pub(crate) type Latency = Arc<Mutex<Histogram<u64>>>;

/// What a connection's client was told, by libha or by its own recovery function.
#[derive(Debug)]
pub(crate) struct Episodes {
    connection: String,
    seen: Mutex<Seen>,
    latency: Latency,
    deaths: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Seen {
    recoveries: u64,
    /// The generations that recoveries have led to, where libha tells.
    generations: Vec<u32>,
    given_up: Vec<String>,
    /// Whether a recovery function runs, as far as it tells.
    is_recovering: bool,
    /// Recoveries that began while another one was under way.
    overlapping: u64,
    /// The incarnation of the server that the connection reached last; 0 when it cannot be known.
    incarnation: u64,
    reached_twice: Vec<u64>,
    /// The server that has greeted last, where greetings are read like answers, and the recoveries since then.
    greeting: Option<(u64, u64)>,
    /// Recoveries for which too few servers had died at the time, in words.
    premature: Vec<String>,
}

impl Episodes {
    /// No episode yet.
    ///
    /// `deaths` counts the servers that have died; a death is counted before it happens.
    pub(crate) fn of(connection: String, latency: Latency, deaths: Arc<AtomicU64>) -> Self {
        Self { connection, seen: Mutex::default(), latency, deaths }
    }

    /// Notes that a recovery function has been called. One that says so once has to say so each time.
    pub(crate) fn begun(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.overlapping += u64::from(std::mem::replace(&mut seen.is_recovering, true));
    }

    /// Notes a recovery.
    pub(crate) fn recovered(&self, generation: Option<u32>, duration: Duration) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_recovering = false;
        seen.recoveries += 1;
        seen.generations.extend(generation);
        self.justify(&mut seen);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros.max(1));
    }

    /// Notes an episode that ended without recovery.
    pub(crate) fn given_up(&self, why: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_recovering = false;
        seen.given_up.push(format!("{}: {why}", self.connection));
    }

    /// Checks that enough servers had died for the recovery just noted.
    fn justify(&self, seen: &mut Seen) {
        let deaths = self.deaths.load(SeqCst);
        let recoveries = seen.recoveries;
        if recoveries > deaths {
            seen.premature.push(format!("recovery {recoveries} came after only {deaths} deaths of the server"));
        }
        // Server n is dead once there were n deaths. Each further recovery means one more that did not live to greet.
        if let Some((incarnation, since)) = &mut seen.greeting {
            *since += 1;
            if *incarnation + *since > deaths + 1 {
                seen.premature.push(format!(
                    "recovery {since} since server {incarnation} greeted came after only {deaths} deaths"
                ));
            }
        }
    }

    /// Notes that the greeting of this server has been read, and everything that the one before it had said.
    pub(crate) fn greeted(&self, incarnation: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.greeting = Some((incarnation, 0));
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
        (seen.recoveries + seen.given_up.len() as u64, seen.recoveries)
    }

    /// Everything that the connection must not have done.
    pub(crate) fn violations(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut violations = seen.given_up.clone();
        violations.extend(flawed_generations(&seen.generations).map(|flaw| format!("{}: {flaw}", self.connection)));
        if let Some(incarnation) = seen.reached_twice.first() {
            let times = seen.reached_twice.len();
            violations.push(format!(
                "{}: {times} recoveries of a connection whose server was alive, the first to server {incarnation}",
                self.connection
            ));
        }
        if seen.overlapping > 0 {
            violations.push(format!("{}: {} recoveries began during another one", self.connection, seen.overlapping));
        }
        if let Some(first) = seen.premature.first() {
            violations.push(format!("{}: {} premature recoveries; {first}", self.connection, seen.premature.len()));
        }
        violations
    }
}

/// Checks the generations that recoveries have led to: each number once, beginning with 1, modulo 2^15.
///
/// Verdicts are reported without a lock held, so they can arrive in any order; what is compared is how often each
/// number has come.
fn flawed_generations(generations: &[u32]) -> Option<String> {
    let mut expected = Counts::new();
    let mut found = Counts::new();
    for (ordinal, generation) in (1_u64..).zip(generations) {
        *expected.entry((ordinal % MODULUS) as u32).or_default() += 1;
        *found.entry(*generation).or_default() += 1;
    }
    let count = |counts: &Counts, generation: &u32| counts.get(generation).copied().unwrap_or_default();
    if let Some((twice, _)) = found.iter().find(|(generation, times)| **times > count(&expected, generation).max(1)) {
        return Some(format!("generation {twice} was recovered twice"));
    }
    let (missing, _) = expected.iter().find(|(generation, times)| **times > count(&found, generation))?;
    Some(format!("generation {missing} is missing among {} recoveries", generations.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_generations_are_as_promised() {
        assert_eq!(flawed_generations(&[]), None);
        assert_eq!(flawed_generations(&[1, 3, 2]), None);
    }

    #[test]
    fn generations_wrap_around() {
        let mut generations: Vec<u32> = (1..=70_000_u64).map(|ordinal| (ordinal % MODULUS) as u32).collect();
        assert_eq!(flawed_generations(&generations), None);
        generations[40_000] = 5;
        assert!(flawed_generations(&generations).is_some());
    }

    #[test]
    fn two_recoveries_for_one_generation_are_found() {
        assert_eq!(flawed_generations(&[1, 2, 2, 3]).as_deref(), Some("generation 2 was recovered twice"));
    }

    fn episodes(deaths: u64) -> Episodes {
        let latency = Arc::new(Mutex::new(Histogram::new_with_bounds(1, 1000, 3).unwrap()));
        Episodes::of("connection 0".to_owned(), latency, Arc::new(AtomicU64::new(deaths)))
    }

    /// A recovery is noted.
    fn recover(episodes: &Episodes) {
        let generation = episodes.counts().1 as u32 + 1;
        episodes.recovered(Some(generation), Duration::from_micros(1));
    }

    #[test]
    fn recoveries_count_even_if_nobody_tells_their_generation() {
        let episodes = episodes(1);
        episodes.recovered(None, Duration::from_micros(1));
        assert_eq!((episodes.counts(), episodes.violations()), ((1, 1), Vec::new()));
        episodes.recovered(None, Duration::from_micros(1));
        assert!(episodes.violations()[0].ends_with("recovery 2 came after only 1 deaths of the server"));
    }

    #[test]
    fn two_recoveries_at_the_same_time_are_found() {
        let episodes = episodes(9);
        episodes.begun();
        episodes.recovered(None, Duration::from_micros(1));
        episodes.begun();
        assert_eq!(episodes.violations(), Vec::<String>::new());
        episodes.begun();
        assert!(episodes.violations()[0].ends_with("1 recoveries began during another one"));
    }

    #[test]
    fn an_episode_that_was_given_up_is_a_violation() {
        let episodes = episodes(1);
        episodes.given_up("nobody is there");
        assert_eq!(
            (episodes.counts(), episodes.violations()),
            ((1, 0), vec!["connection 0: nobody is there".to_owned()])
        );
    }

    #[test]
    fn a_recovery_that_reaches_the_same_server_again_is_found() {
        let episodes = episodes(9);
        [1, 2, 5].into_iter().for_each(|incarnation| episodes.reached(incarnation));
        assert_eq!(episodes.violations(), Vec::<String>::new());
        episodes.reached(5);
        assert!(episodes.violations()[0].ends_with("the first to server 5"));
    }

    #[test]
    fn more_recoveries_than_deaths_are_found() {
        let episodes = episodes(1);
        recover(&episodes);
        assert_eq!(episodes.violations(), Vec::<String>::new());
        recover(&episodes);
        assert!(episodes.violations()[0].ends_with("recovery 2 came after only 1 deaths of the server"));
    }

    #[test]
    fn a_recovery_while_the_server_that_has_greeted_lives_is_found() {
        let episodes = episodes(5);
        episodes.greeted(4);
        // Server 4 has died, and server 5 before it could greet.
        recover(&episodes);
        recover(&episodes);
        episodes.greeted(6);
        assert_eq!(episodes.violations(), Vec::<String>::new());
        recover(&episodes);
        assert!(episodes.violations()[0].ends_with("recovery 1 since server 6 greeted came after only 5 deaths"));
    }

    #[test]
    fn a_generation_left_out_is_found() {
        assert_eq!(flawed_generations(&[1, 3]).as_deref(), Some("generation 2 is missing among 2 recoveries"));
    }
}
