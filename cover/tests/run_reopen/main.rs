//! Unmodified programs under `ha run --reopen`, whose file server dies again and again: real servers, killed by SIGKILL
//! and mounted anew while the program reads or writes.
//!
//! Each server dies when it has moved its share of the file. A program can only have got further when another one has
//! served it, so every death falls into its work, however fast or slow the machine is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod database;
mod reads;
mod writes;

use std::fmt::Write;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use support::build::{ha, library};
use support::mounts::Mount;
use support::{Ended, Program, Running, skipped};
use tempfile::NamedTempFile;

/// The size of a file that is read or written as a whole.
const SIZE: usize = 48 << 20;
/// How often its server dies meanwhile.
const DEATHS: usize = 10;
/// How many bytes each server lives to move: all of them together less than the file.
const SHARE: usize = SIZE / (DEATHS + 5);

/// A kind of mount; `Err` says why this machine has none.
type Mounting = fn(usize) -> Result<Mount, String>;

/// Makes tests of these situations, one for each kind of mount.
macro_rules! over_each {
    ($($situation:ident),+ $(,)?) => {
        mod over_bindfs {
            use $crate::support::mounts::Mount;
            $(#[test] fn $situation() { super::$situation(Mount::bindfs) })+
        }
        mod over_sshfs {
            use $crate::support::mounts::Mount;
            $(#[test] fn $situation() { super::$situation(Mount::sshfs) })+
        }
    };
}
use over_each;

/// A program that runs under `ha run --reopen`, and what libha says meanwhile.
struct Covered {
    program: Running,
    log: NamedTempFile,
}

impl Covered {
    fn start(mount: &Mount, program: &str, arguments: &[&str]) -> Self {
        Self::start_with(mount, program, arguments, |run| run)
    }

    /// Changes the command before it starts.
    fn start_with(mount: &Mount, program: &str, arguments: &[&str], change: impl FnOnce(Program) -> Program) -> Self {
        let log = NamedTempFile::new().unwrap();
        let run = Program::new(ha()).arguments(&["run", "--reopen", &mount.pattern(), "--lib"]).argument(library());
        let run = run.argument("--log-file").argument(log.path()).arguments(&["--", program]).arguments(arguments);
        Self { program: change(run).start(), log }
    }

    /// Waits for its end; returns what libha has said, too.
    fn wait(self) -> (Ended, String) {
        let ended = self.program.wait();
        (ended, fs::read_to_string(self.log.path()).unwrap())
    }

    /// Waits for its end, and expects success after so many recoveries.
    #[track_caller]
    fn succeeds_after(self, recoveries: RangeInclusive<usize>) -> String {
        let (ended, said) = self.wait();
        count_recoveries(&said, recoveries);
        ended.successfully().text()
    }
}

/// A server that is losing its connection can still open a file again, and then die for good: two recoveries.
#[track_caller]
fn count_recoveries(said: &str, expected: RangeInclusive<usize>) {
    let recoveries = said.matches(" recovered ").count();
    assert!(expected.contains(&recoveries), "{recoveries} recoveries, not {expected:?}:\n{said}");
}

/// Numbered lines, each of a hundred bytes.
fn lines(first: usize, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    for number in first..first + bytes / 100 {
        writeln!(text, "{number:0>50}{:0>49}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
    }
    text
}

/// A mount with a large file; `None`, and a word about it, where there can be none.
fn with_file(mounting: Mounting) -> Option<Mount> {
    let mount = mounting(SIZE).map_err(|why| skipped(&why)).ok()?;
    fs::write(mount.behind("big"), lines(0, SIZE)).unwrap();
    Some(mount)
}

/// Every other time the server is not killed but loses what is behind it.
fn die_in_turn(mount: &mut Mount, death: usize) {
    if death.is_multiple_of(2) {
        mount.die();
    } else {
        mount.lose_connection();
    }
}

/// Lets the server die ten times, each time in the middle of its work.
fn die_again_and_again(mount: &mut Mount) {
    for death in 0..DEATHS {
        mount.has_moved(SHARE);
        die_in_turn(mount, death);
        mount.come_back();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Does not print the two of them.
#[track_caller]
fn same(left: &[u8], right: &[u8]) {
    let differing = left.iter().zip(right).position(|(left, right)| left != right);
    assert!(left == right, "{} and {} bytes; they differ at {differing:?}", left.len(), right.len());
}
