//! A server in a process of its own, that can be killed and started again.

use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::cleanup::{self, Starting};
use super::client::library::PRELOAD;
use super::options::{Sabotage, Transport};

/// What a server writes to its standard output once clients can reach it.
pub(crate) const READY: &str = "ready";

/// How to start a server, and the process while it runs.
///
/// The process dies with the thread that started it, so one thread has to see a drill through.
#[derive(Debug)]
pub(crate) struct Server {
    plan: Plan,
    incarnation: u64,
    child: Option<Child>,
}

/// Everything a server has to know.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What it serves.
    pub(crate) transport: Transport,
    /// Where: an address, a socket, a directory or a mountpoint.
    pub(crate) at: String,
    /// Where its mischief comes from.
    pub(crate) seed: u64,
    /// How many connections there are (FIFOs and files are prepared one by one).
    pub(crate) connections: u32,
    /// Where a file server keeps what is written.
    pub(crate) store: Option<PathBuf>,
    /// How it is to misbehave.
    pub(crate) sabotage: Option<Sabotage>,
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The process could not be started or talked to.
    #[error("the server process could not be started: {0}")]
    Process(#[from] io::Error),
    /// The server itself says why.
    #[error("{0}")]
    Refused(String),
}

impl Server {
    /// A server that is not running yet.
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, incarnation: 0, child: None }
    }

    /// Where clients reach it.
    pub(crate) fn at(&self) -> &str {
        &self.plan.at
    }

    /// Starts the server, and returns when clients can reach it.
    pub(crate) fn start(&mut self) -> Result<(), StartError> {
        self.kill();
        let _starting = Starting::announce();
        self.incarnation += 1;
        let mut child = self.command()?.spawn()?;
        let output = child.stdout.take();
        self.child = Some(child);
        let mut line = String::new();
        if let Some(output) = output {
            BufReader::new(output).read_line(&mut line)?;
        }
        match line.trim() {
            READY => Ok(()),
            "" => Err(StartError::Refused("the server ended before it was ready".to_owned())),
            reason => Err(StartError::Refused(reason.to_owned())),
        }
    }

    /// Kills the server with SIGKILL, and returns when it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have died by itself; what counts is that it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.plan.transport == Transport::Fuse {
            cleanup::unmount(self.plan.at.as_ref());
        }
    }

    /// Whether the server has died without being killed, and how.
    pub(crate) fn died_by_itself(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        Some(format!("the {} server died by itself: {status}", self.plan.transport))
    }

    fn command(&self) -> io::Result<Command> {
        let plan = &self.plan;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--over", plan.transport.name(), "--at", &plan.at]);
        command.args(["--seed", &plan.seed.to_string(), "--incarnation", &self.incarnation.to_string()]);
        command.args(["--connections", &plan.connections.to_string(), "--parent", &std::process::id().to_string()]);
        if let Some(store) = &plan.store {
            command.arg("--store").arg(store);
        }
        if let Some(sabotage) = plan.sabotage {
            command.args(["--sabotage", sabotage.name()]);
        }
        // The covers are the clients'.
        command.env_remove(PRELOAD);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
