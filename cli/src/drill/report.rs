//! The report of a drill: what `--json` prints, and what the table is made from.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::options::{Client, Options, Transport};
use super::scene::Scene;
use super::summary;

/// The outcome of a whole drill.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether everything held.
    pub(crate) passed: bool,
    /// Where all randomness came from.
    pub(crate) seed: u64,
    /// The command that repeats the run.
    pub(crate) repeat: String,
    /// What the clients called.
    pub(crate) client: Client,
    /// Connections per transport.
    pub(crate) threads: u32,
    /// Numbers per connection.
    pub(crate) dups: u32,
    /// Kills over all transports.
    pub(crate) kills: u64,
    /// One entry per transport.
    pub(crate) transports: Vec<Outcome>,
}

/// The outcome over one transport.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    /// It was drilled.
    Drilled(Box<Drilled>),
    /// It was not.
    Skipped {
        /// Which transport.
        transport: Transport,
        /// Why not.
        skipped: String,
        /// Whether somebody asked for it by name, so that this is a failure.
        demanded: bool,
    },
    /// It could have been, but something around it failed.
    Failed {
        /// Which transport.
        transport: Transport,
        /// What failed.
        failed: String,
    },
    /// An earlier transport hung, and the drill ended there.
    NotReached {
        /// Which transport.
        transport: Transport,
        /// Always true: what names the outcome in the JSON document.
        not_reached: bool,
    },
}

/// What happened over one transport.
#[derive(Debug, Serialize)]
pub(crate) struct Drilled {
    pub(crate) transport: Transport,
    /// Covered calls that returned.
    pub(crate) calls: u64,
    /// Servers killed.
    pub(crate) kills: u64,
    /// Episodes, whatever their verdict.
    pub(crate) episodes: u64,
    /// Episodes that recovered.
    pub(crate) recoveries: u64,
    /// Requests or records without answer at the end.
    pub(crate) lost: u64,
    /// Answers or records that nothing explains.
    pub(crate) duplicated: u64,
    /// Wrong bytes.
    pub(crate) corrupted: u64,
    /// Requests or records that went out more than once: a server may have executed them twice.
    pub(crate) retransmitted: u64,
    /// Further answers or records that came of it.
    pub(crate) repeated: u64,
    /// From failure noticed to verdict.
    pub(crate) recovery_us: Latency,
    /// The covered call that took longest.
    pub(crate) slowest_call_us: u64,
    /// Which one that was.
    pub(crate) slowest_call: String,
    /// Anything else that must not happen.
    pub(crate) faults: Vec<String>,
    /// Threads that hung, and where.
    pub(crate) hung: Vec<String>,
}

/// Recovery latency in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Report {
    /// Draws the sum of these outcomes. Transports without one have not been reached.
    pub(crate) fn of(options: &Options, seed: u64, mut outcomes: Vec<Outcome>) -> Self {
        let missing = options.transports().into_iter().skip(outcomes.len());
        outcomes.extend(missing.map(|transport| Outcome::NotReached { transport, not_reached: true }));
        Self {
            passed: Self::passes(&outcomes),
            seed,
            repeat: options.command(seed),
            client: options.client,
            threads: options.threads,
            dups: options.dups,
            kills: outcomes.iter().map(Outcome::kills).sum(),
            transports: outcomes,
        }
    }

    /// Whether everything held, given the outcomes.
    pub(crate) fn passes(outcomes: &[Outcome]) -> bool {
        outcomes.iter().all(Outcome::passed) && outcomes.iter().any(|outcome| matches!(outcome, Outcome::Drilled(_)))
    }

    /// Prints it on standard output.
    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
        } else {
            summary::write(self, &mut out)?;
        }
        out.flush()
    }
}

impl Outcome {
    /// Whether everything held over this transport.
    pub(crate) fn passed(&self) -> bool {
        match self {
            Self::Drilled(drilled) => drilled.passed(),
            Self::Skipped { demanded, .. } => !demanded,
            Self::Failed { .. } | Self::NotReached { .. } => false,
        }
    }

    /// Servers killed.
    pub(crate) fn kills(&self) -> u64 {
        match self {
            Self::Drilled(drilled) => drilled.kills,
            Self::Skipped { .. } | Self::Failed { .. } | Self::NotReached { .. } => 0,
        }
    }
}

impl Drilled {
    /// Draws the sum of a scene whose threads have finished or hang.
    pub(crate) fn of(scene: &Scene) -> Self {
        let findings = scene.findings();
        let counts: Vec<(u64, u64)> = scene.episodes().iter().map(|episodes| episodes.counts()).collect();
        let slowest = scene.beats().iter().map(|beat| beat.slowest()).max();
        let (slowest, slowest_call) = slowest.unwrap_or((Duration::ZERO, String::new()));
        let mut faults = findings.faults;
        if findings.undescribed > 0 {
            faults.push(format!("and {} more", findings.undescribed));
        }
        Self {
            transport: scene.transport,
            calls: scene.calls(),
            kills: scene.deaths(),
            episodes: counts.iter().map(|count| count.0).sum(),
            recoveries: counts.iter().map(|count| count.1).sum(),
            lost: findings.lost,
            duplicated: findings.duplicated,
            corrupted: findings.corrupted,
            retransmitted: findings.retransmitted,
            repeated: findings.repeated,
            recovery_us: Latency::of(scene),
            slowest_call_us: u64::try_from(slowest.as_micros()).unwrap_or(u64::MAX),
            slowest_call,
            faults,
            hung: findings.hung,
        }
    }

    /// Whether everything held, and something was there to hold against.
    pub(crate) fn passed(&self) -> bool {
        self.lost == 0
            && self.duplicated == 0
            && self.corrupted == 0
            && self.faults.is_empty()
            && self.hung.is_empty()
            && self.unproven().is_none()
    }

    /// Why this drill proves nothing, if so: where nobody dies, or nobody recovers, nothing can go wrong.
    pub(crate) fn unproven(&self) -> Option<&'static str> {
        if self.kills == 0 {
            Some("no server was killed, so nothing was drilled: allow more kills or more seconds")
        } else if self.recoveries == 0 {
            Some("no connection was recovered, so nothing was drilled: allow more kills or more seconds")
        } else {
            None
        }
    }
}

impl Latency {
    fn of(scene: &Scene) -> Self {
        let histogram = scene.latency.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Self { p50: histogram.value_at_quantile(0.50), p99: histogram.value_at_quantile(0.99), max: histogram.max() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drilled() -> Drilled {
        let drilled = Drilled::of(&Scene::new(Transport::Tcp, 1).unwrap());
        Drilled { kills: 2, recoveries: 3, ..drilled }
    }

    #[test]
    fn a_drill_in_which_nobody_died_or_recovered_proves_nothing() {
        let without_kills = Drilled { kills: 0, ..drilled() };
        let without_recoveries = Drilled { recoveries: 0, ..drilled() };
        assert!(!without_kills.passed() && !without_recoveries.passed());
        assert!(without_kills.unproven().unwrap().starts_with("no server was killed"));
    }

    #[test]
    fn an_uneventful_drill_passes() {
        assert!(drilled().passed());
    }

    #[test]
    fn each_way_to_fail_is_a_failure() {
        let fail: [fn(&mut Drilled); 5] = [
            |drilled| drilled.lost = 1,
            |drilled| drilled.duplicated = 1,
            |drilled| drilled.corrupted = 1,
            |drilled| drilled.faults.push("two recoveries".to_owned()),
            |drilled| drilled.hung.push("reader".to_owned()),
        ];
        for fail in fail {
            let mut drilled = drilled();
            fail(&mut drilled);
            assert!(!drilled.passed(), "{drilled:?}");
        }
    }

    #[test]
    fn what_was_sent_again_is_reported_but_no_failure() {
        let mut drilled = drilled();
        (drilled.retransmitted, drilled.repeated) = (7, 2);
        assert!(drilled.passed());
    }

    #[test]
    fn skipping_fails_only_what_was_demanded_by_name() {
        let skipped =
            |demanded| Outcome::Skipped { transport: Transport::Fuse, skipped: "no /dev/fuse".to_owned(), demanded };
        let drilled = || Outcome::Drilled(Box::new(drilled()));
        assert!(Report::passes(&[drilled(), skipped(false)]));
        assert!(!Report::passes(&[drilled(), skipped(true)]));
        assert!(!Report::passes(&[skipped(false)]), "nothing was drilled at all");
    }

    #[test]
    fn what_failed_or_was_not_reached_is_a_failure() {
        let drilled = || Outcome::Drilled(Box::new(drilled()));
        let failed = Outcome::Failed { transport: Transport::Tcp, failed: "no descriptors left".to_owned() };
        let not_reached = Outcome::NotReached { transport: Transport::Unix, not_reached: true };
        assert!(!Report::passes(&[drilled(), failed]));
        assert!(!Report::passes(&[drilled(), not_reached]));
    }
}
