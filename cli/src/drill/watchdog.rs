//! The watchdog: finds threads that do not move, and sees to it that the drill ends nevertheless.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::cleanup;
use super::scene::Scene;

/// How often the watchdog looks.
const GLANCE: Duration = Duration::from_millis(100);

/// How long the drill may take to write its report after it was aborted.
const GRACE: Duration = Duration::from_secs(10);

/// A sleep that lasts this much longer than it should means that the whole process was stopped, or the machine.
const OVERSLEPT: Duration = Duration::from_secs(1);

/// Prints what is known about a drill that cannot end in order.
pub(crate) type LastWords = Box<dyn Fn(&Scene) + Send>;

/// Sleeps, and tells whether it was for about that long. Otherwise nobody had a chance to move meanwhile.
pub(crate) fn sleep_soundly(duration: Duration) -> bool {
    let begun = Instant::now();
    std::thread::sleep(duration);
    begun.elapsed() < duration + OVERSLEPT
}

/// Watches one scene for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watchdog {
    over: Arc<AtomicBool>,
}

impl Watchdog {
    /// Watches `scene` and aborts it when a thread has spent `patience` in one step. When even that does not end the
    /// drill, says its last words and ends the process.
    pub(crate) fn over(scene: &Arc<Scene>, patience: Duration, last_words: LastWords) -> std::io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (scene, watched) = (Arc::clone(scene), Arc::clone(&over));
        std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || watch(&scene, &watched, patience, &last_words))?;
        Ok(Self { over })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}

fn watch(scene: &Scene, over: &AtomicBool, patience: Duration, last_words: &LastWords) {
    let mut aborted_at: Option<Instant> = None;
    while !over.load(SeqCst) {
        if !sleep_soundly(GLANCE) {
            scene.beats().iter().for_each(|beat| beat.restart());
            aborted_at = aborted_at.map(|_| Instant::now());
        }
        match aborted_at {
            None => {
                let hung = motionless(scene, patience);
                if !hung.is_empty() {
                    scene.abort(hung);
                    aborted_at = Some(Instant::now());
                }
            }
            Some(at) if at.elapsed() > GRACE => {
                complain(scene);
                last_words(scene);
                cleanup::everything();
                std::process::exit(1);
            }
            Some(_) => {}
        }
    }
}

/// The threads that have spent `patience` in one step.
pub(crate) fn motionless(scene: &Scene, patience: Duration) -> Vec<String> {
    let beats = scene.beats();
    let still = beats.iter().filter(|beat| !beat.is_finished() && beat.still_for() > patience);
    still.map(|beat| beat.whereabouts()).collect()
}

/// The drill cannot even write its report.
fn complain(scene: &Scene) {
    // Nobody is left to whom a failure to write could be reported.
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "ha drill: {} hangs, and the drill cannot end in order:", scene.transport);
    for line in scene.findings().hung.iter().chain(&motionless(scene, GRACE)) {
        let _ = writeln!(out, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::beat::Step;
    use crate::drill::options::Transport;

    #[test]
    fn a_thread_that_does_not_move_is_named_with_its_place() {
        let scene = Scene::new(Transport::Unix, 1).unwrap();
        let beat = scene.beat("unix connection 0 reader".to_owned());
        beat.during(Step::Room, || {
            let deadline = Instant::now() + Duration::from_secs(10);
            let _watchdog = Watchdog::over(&scene, Duration::from_millis(1), Box::new(|_| ())).unwrap();
            while !scene.is_aborted() && Instant::now() < deadline {
                std::thread::yield_now();
            }
        });
        assert!(scene.findings().hung[0].starts_with("unix connection 0 reader: waiting for answers for "));
    }

    #[test]
    fn a_thread_that_has_finished_is_left_alone() {
        let scene = Scene::new(Transport::Unix, 1).unwrap();
        scene.beat("writer".to_owned()).finish();
        assert_eq!(motionless(&scene, Duration::ZERO), Vec::<String>::new());
    }

    #[test]
    fn a_clock_that_is_restarted_forgets_the_time_before() {
        let scene = Scene::new(Transport::Unix, 1).unwrap();
        let beat = scene.beat("writer".to_owned());
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(motionless(&scene, Duration::from_millis(20)).len(), 1);
        beat.restart();
        assert!(beat.still_for() < Duration::from_millis(20));
    }
}
