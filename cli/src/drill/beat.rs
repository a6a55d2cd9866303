//! The beat of one thread: what it is doing, since when, and how many calls it has finished.
//!
//! Worker threads write here with plain stores around each covered call; the watchdog and the report read.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    /// Not begun, or between two calls.
    Between,
    /// Waiting until fewer requests are outstanding.
    Room,
    /// In `send`.
    Send,
    /// In `recv`.
    Receive,
    /// In `read`.
    Read,
    /// In `read_at`.
    ReadAt,
    /// In `write`.
    Write,
    /// In `seek`.
    Seek,
    /// Making a dup.
    Clone,
    /// Closing a dup.
    Close,
    /// Starting a server.
    Start,
    /// Killing a server.
    Kill,
}

const STEPS: [Step; 12] = [
    Step::Between,
    Step::Room,
    Step::Send,
    Step::Receive,
    Step::Read,
    Step::ReadAt,
    Step::Write,
    Step::Seek,
    Step::Clone,
    Step::Close,
    Step::Start,
    Step::Kill,
];

/// The beat of one thread.
#[derive(Debug)]
pub(crate) struct Beat {
    name: String,
    born: Instant,
    thread: AtomicI32,
    step: AtomicU8,
    number: AtomicI32,
    /// Microseconds after `born` at which the current step began.
    since: AtomicU64,
    calls: AtomicU64,
    marked: AtomicU64,
    slowest: AtomicU64,
    slowest_step: AtomicU8,
    finished: AtomicBool,
}

impl Step {
    /// The step as part of a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Between => "between two calls",
            Self::Room => "waiting for answers",
            Self::Send => "send",
            Self::Receive => "recv",
            Self::Read => "read",
            Self::ReadAt => "read_at",
            Self::Write => "write",
            Self::Seek => "seek",
            Self::Clone => "dup",
            Self::Close => "close",
            Self::Start => "starting the server",
            Self::Kill => "killing the server",
        }
    }
}

impl Beat {
    /// A thread that has not begun.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            born: Instant::now(),
            thread: AtomicI32::new(0),
            step: AtomicU8::new(Step::Between as u8),
            number: AtomicI32::new(-1),
            since: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            marked: AtomicU64::new(0),
            slowest: AtomicU64::new(0),
            slowest_step: AtomicU8::new(Step::Between as u8),
            finished: AtomicBool::new(false),
        }
    }

    /// The calling thread is the one whose beat this is.
    pub(crate) fn adopt(&self) {
        self.thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Relaxed);
    }

    /// Runs a covered call on `number`, counts it and measures it.
    pub(crate) fn call<T>(&self, step: Step, number: i32, call: impl FnOnce() -> T) -> T {
        let begun = self.enter(step, number);
        let result = call();
        let ended = self.enter(Step::Between, -1);
        if ended - begun > self.slowest.load(Relaxed) {
            self.slowest.store(ended - begun, Relaxed);
            self.slowest_step.store(step as u8, Relaxed);
        }
        self.calls.fetch_add(1, Relaxed);
        result
    }

    /// Runs something that is not a covered call.
    pub(crate) fn during<T>(&self, step: Step, action: impl FnOnce() -> T) -> T {
        self.enter(step, -1);
        let result = action();
        self.enter(Step::Between, -1);
        result
    }

    /// The thread has nothing left to do.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Relaxed);
    }

    /// Whether the thread has finished.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Relaxed)
    }

    /// How long the current step has lasted.
    pub(crate) fn still_for(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_micros(self.since.load(Relaxed)))
    }

    /// The current step begins now as far as the watchdog is concerned, because nobody could move until now.
    pub(crate) fn restart(&self) {
        self.since.store(self.now(), Relaxed);
    }

    /// Covered calls that have returned.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// From here on, [`has_worked`](Self::has_worked) looks at calls that return later.
    pub(crate) fn mark(&self) {
        self.marked.store(self.calls(), Relaxed);
    }

    /// Whether a call has returned since the mark. A thread without covered calls always has.
    pub(crate) fn has_worked(&self) -> bool {
        let calls = self.calls();
        calls == 0 || calls > self.marked.load(Relaxed)
    }

    /// The call that took longest.
    pub(crate) fn slowest(&self) -> (Duration, String) {
        let call = step_of(self.slowest_step.load(Relaxed)).name();
        (Duration::from_micros(self.slowest.load(Relaxed)), format!("{call}, {}", self.name))
    }

    /// Where the thread is, for somebody who has to find out why it does not move.
    pub(crate) fn whereabouts(&self) -> String {
        let step = step_of(self.step.load(Relaxed));
        let number = match self.number.load(Relaxed) {
            -1 => String::new(),
            number => format!(" on number {number}"),
        };
        let thread = self.thread.load(Relaxed);
        let kernel = |file: &str| {
            let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
            text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
        };
        format!(
            "{}: {}{number} for {:.1} s (thread {thread}, kernel function {}, system call {})",
            self.name,
            step.name(),
            self.still_for().as_secs_f64(),
            kernel("wchan"),
            kernel("syscall").split(' ').next().unwrap_or("unknown"),
        )
    }

    /// Microseconds after `born`.
    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn enter(&self, step: Step, number: i32) -> u64 {
        let now = self.now();
        self.since.store(now, Relaxed);
        self.number.store(number, Relaxed);
        self.step.store(step as u8, Relaxed);
        now
    }
}

fn step_of(code: u8) -> Step {
    STEPS.get(usize::from(code)).copied().unwrap_or(Step::Between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_found_again_by_its_code() {
        for step in STEPS {
            assert_eq!(step_of(step as u8), step);
        }
    }

    #[test]
    fn a_call_is_counted_and_the_slowest_one_remembered() {
        let beat = Beat::new("reader".to_owned());
        beat.call(Step::Receive, 7, || std::thread::sleep(Duration::from_millis(2)));
        beat.call(Step::Send, 7, || ());
        assert_eq!(beat.calls(), 2);
        assert_eq!(beat.slowest().1, "recv, reader");
    }

    #[test]
    fn whereabouts_name_the_call_and_the_number() {
        let beat = Beat::new("reader".to_owned());
        beat.adopt();
        beat.call(Step::Receive, 7, || assert!(beat.whereabouts().starts_with("reader: recv on number 7 for ")));
    }
}
