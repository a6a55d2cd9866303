//! The client that uses libha's Rust API.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use ha_core::{
    AttachError, Attempt, Covered, Episode, Outcome, Reconnect, Recover, Recovered, RecoveryError, Reopen, Target,
    Verdict,
};
use rustix::net::{RecvFlags, SendFlags};

use super::{Endpoint, Number, Prelude, Revival};
use crate::drill::episodes::{self, Episodes};

/// Covers a connection with one of the recovery functions that come with libha.
pub(super) fn cover(
    descriptor: OwnedFd,
    revival: Revival,
    episodes: Arc<Episodes>,
) -> Result<Box<dyn Number>, AttachError> {
    let builder = ha_core::cover(descriptor).on_verdict(move |episode| note(&episodes, episode));
    let Revival { endpoint, prelude } = revival;
    let builder = match endpoint {
        Endpoint::Tcp(address) => builder.recovered_by(Reconnect::to([address]).then(move |stream, _| prelude(stream))),
        Endpoint::Unix(path) => builder.recovered_by(Reconnect::to_unix(path).then(move |stream, _| prelude(stream))),
        Endpoint::Path(..) => builder.recovered_by(Reopened { reopen: Reopen::recorded(), prelude }),
    };
    Ok(Box::new(builder.attach()?))
}

fn note(episodes: &Episodes, episode: &Episode) {
    match episode.verdict {
        Verdict::Recovered => episodes.recovered(Some(episode.generation), episode.duration),
        Verdict::GivenUp => episodes.given_up(&format!(
            "given up after {} attempts in {:?}; the call on number {} had failed with: {}",
            episode.attempts, episode.duration, episode.number, episode.failure
        )),
    }
}

/// Opens a file again, with a prelude.
struct Reopened {
    reopen: Reopen,
    prelude: Prelude,
}

impl Recover for Reopened {
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        let recovered = self.reopen.recover(attempt)?;
        if let Recovered::Staged(file) = &recovered {
            (self.prelude)(file.as_fd())?;
        }
        Ok(recovered)
    }

    fn target(&self) -> Option<Target> {
        self.reopen.target()
    }

    fn attached(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.reopen.attached(descriptor)
    }
}

impl Number for Covered {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Self::send(self, bytes, SendFlags::empty())
    }

    fn receive(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.recv(bytes, RecvFlags::WAITALL)
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut covered = self;
        Read::read(&mut covered, bytes)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        Self::read_at(self, bytes, offset)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut covered = self;
        Write::write(&mut covered, bytes)
    }

    fn seek(&self, position: SeekFrom) -> io::Result<u64> {
        let mut covered = self;
        Seek::seek(&mut covered, position)
    }

    fn duplicate(&self) -> io::Result<Box<dyn Number>> {
        Ok(Box::new(self.try_clone()?))
    }

    fn take_outcome(&self) -> Outcome {
        Self::take_outcome(self)
    }

    fn contradiction(&self) -> Option<String> {
        let report = self.report();
        let agrees = u64::from(report.generation) == report.recoveries % episodes::MODULUS;
        (!agrees).then(|| format!("{} recoveries, but generation {}", report.recoveries, report.generation))
    }
}
