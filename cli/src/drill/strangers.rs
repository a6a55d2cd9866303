//! Strangers: descriptors that have nothing to do with the drill, under numbers that just belonged to it.
//!
//! A number can be closed while its connection is being recovered, and be given to somebody else before the recovered
//! connection is put under all numbers. Not one byte may then reach the stranger, and the stranger must keep its own
//! description. Each connection of a drill therefore has a thread that makes dups, closes them at random moments and
//! lets strangers move in at once.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::beat::{Beat, Step};
use super::client::{Number, Numbers};
use super::scene::Scene;
use crate::record;

/// How many bytes strangers exchange in each direction.
const WORDS: usize = 64;

/// Starts the thread that lets strangers in where dups of `numbers` have just been closed.
pub(crate) fn invite(scene: &Arc<Scene>, name: &str, numbers: &Arc<Numbers>) -> io::Result<JoinHandle<()>> {
    let numbers = Arc::clone(numbers);
    let seed = scene.seed ^ numbers.first().map_or(0, |number| number.as_raw_fd() as u64);
    scene.spawn(format!("{name} strangers"), move |scene, beat| {
        let mut random = fastrand::Rng::with_seed(seed);
        for number in numbers.iter().cycle() {
            if scene.is_stopping() {
                return;
            }
            if let Err(fault) = come_and_go(beat, number.as_ref(), &mut random) {
                match fault {
                    Fault::Intrusion(what) => scene.corruption(what),
                    Fault::Io(error) => return scene.fault(format!("dups and strangers: {error}")),
                }
            }
        }
    })
}

enum Fault {
    Intrusion(String),
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes a few dups, closes them, and puts strangers where they were.
fn come_and_go(beat: &Beat, number: &dyn Number, random: &mut fastrand::Rng) -> Result<(), Fault> {
    let dups: Numbers = (0..random.usize(1..4))
        .map(|_| beat.call(Step::Clone, number.as_raw_fd(), || number.duplicate()))
        .collect::<io::Result<_>>()?;
    // Long enough for the server to die in the meantime, now and then.
    sleep(Duration::from_micros(random.u64(0..4000)));
    let mut strangers = Vec::new();
    for dup in dups {
        beat.call(Step::Close, dup.as_raw_fd(), || drop(dup));
        strangers.push(if random.bool() { Stranger::arrive()? } else { Stranger::arrive_unseen()? });
    }
    // Long enough for a recovery that is under way to go on.
    sleep(Duration::from_micros(random.u64(0..2000)));
    strangers.iter().try_for_each(|stranger| stranger.check(random.u64(..)).map_err(Fault::Intrusion))
}

/// A pair of sockets of its own.
struct Stranger {
    ends: [UnixStream; 2],
    inodes: [u64; 2],
}

impl Stranger {
    /// By a call of libc.
    fn arrive() -> io::Result<Self> {
        Self::between(UnixStream::pair()?)
    }

    /// By a system call that no cover sees: libha cannot learn from it that the numbers are somebody else's now.
    fn arrive_unseen() -> io::Result<Self> {
        let (left, right) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Self::between((left.into(), right.into()))
    }

    fn between((left, right): (UnixStream, UnixStream)) -> io::Result<Self> {
        let inodes = [inode(&left)?, inode(&right)?];
        Ok(Self { ends: [left, right], inodes })
    }

    /// Whether both numbers still hold what they held, and exactly the bytes arrive that were sent.
    fn check(&self, key: u64) -> Result<(), String> {
        for (end, inode_then) in self.ends.iter().zip(self.inodes) {
            if inode(end).ok() != Some(inode_then) {
                return Err(format!("number {}, closed and reused, was taken from its new owner", end.as_raw_fd()));
            }
        }
        let [left, right] = &self.ends;
        for (from, to) in [(left, right), (right, left)] {
            let mut sent = [0; WORDS];
            record::fill(key, 0, &mut sent);
            let failed =
                |what: &str, errno: Errno| format!("number {}, closed and reused: {what}: {errno}", to.as_raw_fd());
            send(from.as_raw_fd(), &sent, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT)
                .map_err(|errno| failed("send", errno))?;
            // One byte more than was sent would be an intruder's.
            let mut received = [0; WORDS + 1];
            let count =
                recv(to.as_raw_fd(), &mut received, MsgFlags::MSG_DONTWAIT).map_err(|errno| failed("recv", errno))?;
            if received[..count] != sent {
                return Err(format!(
                    "bytes on number {}, closed and reused, that its new owner did not send",
                    to.as_raw_fd()
                ));
            }
        }
        Ok(())
    }
}

fn inode(end: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(end)?.st_ino)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn strangers_who_are_left_alone_notice_nothing() {
        assert_eq!(Stranger::arrive().unwrap().check(1), Ok(()));
        assert_eq!(Stranger::arrive_unseen().unwrap().check(1), Ok(()));
    }

    #[test]
    fn a_byte_from_outside_is_noticed() {
        let stranger = Stranger::arrive().unwrap();
        (&stranger.ends[0]).write_all(b"x").unwrap();
        assert!(stranger.check(1).unwrap_err().contains("did not send"));
    }

    #[test]
    fn a_description_that_was_replaced_is_noticed() {
        let mut stranger = Stranger::arrive().unwrap();
        stranger.ends.swap(0, 1);
        assert!(stranger.check(1).unwrap_err().contains("was taken from its new owner"));
    }
}
