//! The server of all connections, and the recovery functions that connect to it again.

#![allow(clippy::expect_used)]

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use super::play::write;
use super::reference::NO_ANSWER;
use super::scenario::{Answer, Chosen, End, Faults};
use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::sync::clock;

#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) clients: Vec<Client>,
    /// What recovery functions are going to answer.
    pub(super) answers: VecDeque<Answer>,
    /// Whose each attempt was, and when it began.
    pub(super) attempts: Vec<(usize, Duration)>,
    /// What the calls made by recovery functions have returned.
    pub(super) inner_results: Vec<Result<usize, Errno>>,
}

#[derive(Default)]
pub(super) struct Client {
    /// The far ends of all connections that it ever had.
    pub(super) far: Vec<UnixStream>,
    /// A number of its connection.
    pub(super) number: RawFd,
}

impl Server {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection for this client, who may be new as well.
    pub(super) fn connect(&self, client: usize) -> OwnedFd {
        let (near, far) = UnixStream::pair().expect("there are descriptors");
        far.set_nonblocking(true).expect("it is a socket");
        let mut state = self.lock();
        if client == state.clients.len() {
            state.clients.push(Client::default());
        }
        state.clients[client].far.push(far);
        near.into()
    }

    /// Cuts this client's connection.
    pub(super) fn die(&self, client: usize) {
        self.lock().clients[client]
            .far
            .last()
            .map_or(Ok(()), |far| far.shutdown(Shutdown::Both))
            .expect("it is a socket");
    }
}

/// The recovery function of a client.
pub(super) struct Again {
    pub(super) server: Server,
    pub(super) client: usize,
}

impl Recover for Again {
    fn recover(&self, _: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        let Answer { takes, uses, end } = {
            let mut state = self.server.lock();
            state.attempts.push((self.client, clock::Moment::now().since_the_beginning()));
            state.answers.pop_front().unwrap_or(NO_ANSWER)
        };
        clock::pass(takes.duration());
        if let Some(Chosen(after)) = uses {
            let number = {
                let state = self.server.lock();
                state.clients[(self.client + usize::from(after)) % state.clients.len()].number
            };
            let result = write(number, Faults::default());
            self.server.lock().inner_results.push(result);
        }
        match end {
            End::Connected => Ok(Recovered::Staged(self.server.connect(self.client))),
            End::ConnectedAndDied => {
                let near = self.server.connect(self.client);
                self.server.die(self.client);
                Ok(Recovered::Staged(near))
            }
            End::Again => Err(RecoveryError::Again(ErrorKind::ConnectionRefused.into())),
            End::Final => Err(RecoveryError::Final(ErrorKind::PermissionDenied.into())),
            // Without the message that a panic prints.
            End::Panic => std::panic::resume_unwind(Box::new("the function's own panic")),
            End::WrongKind => {
                let event = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
                Ok(Recovered::Staged(event))
            }
            End::OldIsBack => Ok(Recovered::InPlace),
        }
    }
}
