//! Clients that know nothing of libha, run with it and without.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::server::{Course, Protocol, Server};
use crate::support::build::{ha, library};
use crate::support::{Ended, Program};

/// The ways in which Python's programs ask a server, each a class in client.py.
pub(crate) const FLAVOURS: [&str; 12] = [
    "Blocking",
    "Timeout",
    "Numbers",
    "Stream",
    "Selectors",
    "EdgeTriggered",
    "Poll",
    "Select",
    "Asyncio",
    "AttentiveAsyncio",
    "Http",
    "HttpWithTimeout",
];

/// What became of a client.
#[derive(Debug)]
pub(crate) struct Told {
    /// What it printed: its answers and exceptions.
    pub(crate) outcome: String,
    /// The requests that its server has seen.
    pub(crate) requests: Vec<String>,
    /// What libha says that it did.
    pub(crate) log: String,
}

/// The interpreter itself, and not a script that chooses one.
pub(crate) fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let asked = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
        asked.status.success().then(|| String::from_utf8_lossy(&asked.stdout).trim().into())
    };
    PYTHON.get_or_init(find).as_deref()
}

/// A client under test, and the server that it meets.
#[derive(Clone, Debug)]
pub(crate) struct Meeting<'a> {
    pub(crate) flavour: &'a str,
    pub(crate) course: Course,
    pub(crate) steps: &'a [&'a str],
}

impl<'a> Meeting<'a> {
    /// The client asks as its flavour does, so the server speaks what it understands.
    pub(crate) fn of(flavour: &'a str, course: &Course, steps: &'a [&'a str]) -> Self {
        let protocol = if flavour.starts_with("Http") { Protocol::Http } else { Protocol::Lines };
        Self { flavour, course: course.clone().speaking(protocol).ordered(), steps }
    }

    pub(crate) fn without_libha(&self) -> Told {
        let server = self.course.start();
        let ended = self.arguments(Program::new(python().unwrap()), &server.address(), &server).run();
        Told::by(ended, &server, String::new())
    }

    /// Runs it under `ha run --reconnect` with these options.
    pub(crate) fn with_libha(&self, options: &[&str]) -> Told {
        let server = self.course.start();
        self.with_libha_at(&server, &server.address(), &server.address(), options)
    }

    /// The same, where the server is called `covered` for `ha run` and `connected` for the client.
    pub(crate) fn with_libha_at(&self, server: &Server, covered: &str, connected: &str, options: &[&str]) -> Told {
        let log = tempfile::NamedTempFile::new().unwrap();
        let program = under_libha(covered, log.path(), options).argument(python().unwrap());
        let ended = self.arguments(program, connected, server).run();
        Told::by(ended, server, std::fs::read_to_string(log.path()).unwrap())
    }

    fn arguments(&self, program: Program, connected: &str, server: &Server) -> Program {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reconnect/client.py");
        let program = program.argument(script).arguments(&[self.flavour, connected, &server.control()]);
        program.arguments(self.steps)
    }

    /// Expects the same of it under libha as without. Returns what that is.
    #[track_caller]
    pub(crate) fn is_left_alone(&self, options: &[&str]) -> Told {
        let (without, with) = (self.without_libha(), self.with_libha(options));
        assert!(with.log.contains("covered"), "libha has not covered anything; {self:?} {with:?}");
        assert_eq!(with.outcome, without.outcome, "{self:?}\n{options:?}\n{}", with.log);
        assert_eq!(with.requests, without.requests, "{self:?}\n{options:?}\n{}", with.log);
        with
    }
}

/// `ha run --reconnect` in front of a program that is still to be named.
pub(crate) fn under_libha(covered: &str, log: &Path, options: &[&str]) -> Program {
    let program = Program::new(ha()).argument("run").argument("--lib").argument(library());
    let program = program.arguments(&["--reconnect", covered, "--log", "debug", "--log-file"]).argument(log);
    program.arguments(options).argument("--")
}

impl Told {
    fn by(ended: Ended, server: &Server, log: String) -> Self {
        let ended = ended.silently();
        Self { outcome: ended.text(), requests: server.requests(), log }
    }
}
