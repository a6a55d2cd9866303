//! The lines of a drill: its connections with their threads, from the first one opened to the last account.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::scene::Scene;
use super::watchdog::sleep_soundly;

/// With nobody being killed, an answer that has not come for this long will not come.
const DRAIN_PATIENCE: Duration = Duration::from_secs(4);

/// How long to sleep between two looks at the threads.
const GLANCE: Duration = Duration::from_millis(5);

/// One covered connection, or a few that belong together, with the threads that use it.
pub(crate) struct Line {
    /// The threads.
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// Draws the account once the threads have finished, or will never finish.
    pub(crate) settle: Box<dyn FnOnce(&Scene)>,
}

/// All lines that are open. Dropped before their account is drawn, they are stopped: a connection that could not be
/// opened must not leave the threads of the others at work.
pub(crate) struct Lines {
    scene: Arc<Scene>,
    lines: Vec<Line>,
}

impl Lines {
    /// None yet.
    pub(crate) fn of(scene: &Arc<Scene>) -> Self {
        Self { scene: Arc::clone(scene), lines: Vec::new() }
    }

    /// One more.
    pub(crate) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Waits until all threads have finished, or nothing moves any more.
    pub(crate) fn drain(&self) {
        let mut calls = self.scene.calls();
        let mut moved = Instant::now();
        while !self.scene.is_aborted() && moved.elapsed() < DRAIN_PATIENCE {
            if self.lines.iter().flat_map(|line| &line.threads).all(JoinHandle::is_finished) {
                return;
            }
            let was_stopped = !sleep_soundly(GLANCE);
            let now = self.scene.calls();
            if now != calls || was_stopped {
                (calls, moved) = (now, Instant::now());
            }
        }
    }

    /// Draws the accounts. Threads that have not finished are left alone: nothing could make them.
    pub(crate) fn conclude(mut self) {
        let scene = Arc::clone(&self.scene);
        for line in std::mem::take(&mut self.lines) {
            let unfinished = join(&scene, line.threads);
            let lost = scene.findings().lost;
            (line.settle)(&scene);
            if unfinished > 0 && scene.findings().lost == lost {
                scene.fault(format!("{unfinished} threads did not finish although nothing was outstanding"));
            }
        }
        if !scene.is_aborted() {
            let waiting = scene.beats().into_iter().filter(|beat| !beat.is_finished()).map(|beat| beat.whereabouts());
            scene.note(|findings| findings.hung.extend(waiting));
        }
        for violation in scene.episodes().iter().flat_map(|episodes| episodes.violations()) {
            scene.fault(violation);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.scene.stop();
        let deadline = Instant::now() + DRAIN_PATIENCE;
        // Among the beats are those of a connection that was opened in part.
        while !self.scene.beats().iter().all(|beat| beat.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(GLANCE);
        }
        for line in self.lines.drain(..) {
            join(&self.scene, line.threads);
        }
    }
}

/// Joins the threads that have finished, and counts the others.
fn join(scene: &Scene, threads: Vec<JoinHandle<()>>) -> usize {
    let mut unfinished = 0;
    for thread in threads {
        if !thread.is_finished() {
            unfinished += 1;
        } else if let Err(panic) = thread.join() {
            let text = panic.downcast::<String>().map_or_else(|_| "no message".to_owned(), |text| *text);
            scene.fault(format!("a thread of the drill panicked: {text}"));
        }
    }
    unfinished
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::options::Transport;

    #[test]
    fn lines_that_are_dropped_leave_no_thread_at_work() {
        let scene = Scene::new(Transport::Tcp, 1).unwrap();
        let mut lines = Lines::of(&scene);
        let thread = scene.spawn("writer".to_owned(), |scene, _| {
            while !scene.is_stopping() {
                std::thread::yield_now();
            }
        });
        lines.add(Line { threads: vec![thread.unwrap()], settle: Box::new(|_| ()) });
        drop(lines);
        assert!(scene.beats().iter().all(|beat| beat.is_finished()));
    }
}
