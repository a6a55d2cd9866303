//! The scene of one transport's drill: what its threads share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use hdrhistogram::Histogram;

use super::beat::Beat;
use super::episodes::{Episodes, Latency};
use super::options::Transport;

/// The longest recovery that is told apart from longer ones, in microseconds.
const LONGEST: u64 = 600_000_000;

/// After this many, faults are counted but no longer described.
const DESCRIBED: usize = 20;

/// What the threads of one transport's drill share.
#[derive(Debug)]
pub(crate) struct Scene {
    /// What is drilled.
    pub(crate) transport: Transport,
    /// Where all randomness comes from.
    pub(crate) seed: u64,
    /// How long recoveries took.
    pub(crate) latency: Latency,
    stopping: AtomicBool,
    aborted: AtomicBool,
    deaths: Arc<AtomicU64>,
    beats: Mutex<Vec<Arc<Beat>>>,
    episodes: Mutex<Vec<Arc<Episodes>>>,
    findings: Mutex<Findings>,
}

/// What was found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Requests or records without answer.
    pub(crate) lost: u64,
    /// Answers or records that came more often than anything explains.
    pub(crate) duplicated: u64,
    /// Wrong bytes.
    pub(crate) corrupted: u64,
    /// Requests or records that went out more than once.
    pub(crate) retransmitted: u64,
    /// Further answers that retransmission explains.
    pub(crate) repeated: u64,
    /// Everything else that must not happen, in words.
    pub(crate) faults: Vec<String>,
    /// Faults beyond those described.
    pub(crate) undescribed: u64,
    /// Threads that do not move, and where they are.
    pub(crate) hung: Vec<String>,
}

impl Scene {
    /// Nobody has done anything yet.
    pub(crate) fn new(transport: Transport, seed: u64) -> Result<Arc<Self>, hdrhistogram::CreationError> {
        Ok(Arc::new(Self {
            transport,
            seed,
            latency: Arc::new(Mutex::new(Histogram::new_with_bounds(1, LONGEST, 3)?)),
            stopping: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            deaths: Arc::default(),
            beats: Mutex::default(),
            episodes: Mutex::default(),
            findings: Mutex::default(),
        }))
    }

    /// Starts a named thread whose beat the watchdog follows.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: String,
        body: impl FnOnce(&Scene, &Beat) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let beat = self.beat(name.clone());
        let scene = Arc::clone(self);
        std::thread::Builder::new().name(name).spawn(move || {
            beat.adopt();
            let finished = Finished(&beat);
            body(&scene, &beat);
            drop(finished);
        })
    }

    /// A new beat for the watchdog to follow.
    pub(crate) fn beat(&self, name: String) -> Arc<Beat> {
        let beat = Arc::new(Beat::new(name));
        lock(&self.beats).push(Arc::clone(&beat));
        beat
    }

    /// A new connection's episodes.
    pub(crate) fn episodes_of(&self, connection: String) -> Arc<Episodes> {
        let episodes = Arc::new(Episodes::of(connection, Arc::clone(&self.latency), Arc::clone(&self.deaths)));
        lock(&self.episodes).push(Arc::clone(&episodes));
        episodes
    }

    /// All beats.
    pub(crate) fn beats(&self) -> Vec<Arc<Beat>> {
        lock(&self.beats).clone()
    }

    /// All connections' episodes.
    pub(crate) fn episodes(&self) -> Vec<Arc<Episodes>> {
        lock(&self.episodes).clone()
    }

    /// Covered calls that have returned.
    pub(crate) fn calls(&self) -> u64 {
        lock(&self.beats).iter().map(|beat| beat.calls()).sum()
    }

    /// No new requests from now on.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, SeqCst);
    }

    /// Whether no new requests are wanted.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// Ends the drill without waiting for anybody, because these threads hang.
    pub(crate) fn abort(&self, hung: Vec<String>) {
        self.stop();
        self.note(|findings| findings.hung.extend(hung));
        self.aborted.store(true, SeqCst);
    }

    /// Whether the drill was ended because somebody hangs.
    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(SeqCst)
    }

    /// A server is about to die. To be called before it does, so that no recovery can come before its reason.
    pub(crate) fn announce_death(&self) {
        self.deaths.fetch_add(1, SeqCst);
    }

    /// Deaths so far.
    pub(crate) fn deaths(&self) -> u64 {
        self.deaths.load(SeqCst)
    }

    /// Something happened that must not happen.
    pub(crate) fn fault(&self, fault: impl Into<String>) {
        self.note(|findings| {
            if findings.faults.len() < DESCRIBED {
                findings.faults.push(fault.into());
            } else {
                findings.undescribed += 1;
            }
        });
    }

    /// Wrong bytes were found; counted, and described as well.
    pub(crate) fn corruption(&self, description: impl Into<String>) {
        self.note(|findings| findings.corrupted += 1);
        self.fault(description);
    }

    /// Changes the findings.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Findings)) {
        change(&mut lock(&self.findings));
    }

    /// What was found out so far.
    pub(crate) fn findings(&self) -> Findings {
        lock(&self.findings).clone()
    }
}

/// Finishes a beat even if its thread panics.
struct Finished<'a>(&'a Beat);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_all_threads_add_up() {
        let scene = Scene::new(Transport::Tcp, 1).unwrap();
        for name in ["reader", "writer"] {
            let thread = scene.spawn(name.to_owned(), |_, beat| beat.call(super::super::beat::Step::Read, 3, || ()));
            thread.unwrap().join().unwrap();
        }
        assert_eq!(scene.calls(), 2);
        assert!(scene.beats().iter().all(|beat| beat.is_finished()));
    }

    #[test]
    fn a_flood_of_faults_is_counted_but_not_described() {
        let scene = Scene::new(Transport::Tcp, 1).unwrap();
        for _ in 0..DESCRIBED + 5 {
            scene.corruption("wrong");
        }
        let findings = scene.findings();
        assert_eq!((findings.faults.len(), findings.undescribed, findings.corrupted), (DESCRIBED, 5, 25));
    }
}
