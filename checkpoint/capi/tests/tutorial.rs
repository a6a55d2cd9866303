//! HAFTA's tutorial: its client and its server, compiled unmodified, while the server dies and writes bad data.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use support::build::{compile_to, package};
use support::headers::is_installed;
use support::nap::{Nap, Naps};
use support::{Program, Running, compile, examples, linked, shared, skipped};
use tempfile::TempDir;

const FAILED: &str = "Open failed! Perhaps the server died?\n";

/// What the client says about a bad read; about each of the two that a bad write makes.
const BAD_T: &str = "policy_data = T\n";
const BAD_O: &str = "policy_data = o\n";
const ROLLED_BACK: &str = "Some bad data\n";

fn good(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers.map(|number| format!("{number} successful read(s)\n")).collect()
}

/// What GCC 14 no longer lets pass.
const STRICT: [&str; 3] =
    ["-Werror=implicit-function-declaration", "-Werror=incompatible-pointer-types", "-Werror=int-conversion"];

/// The tutorial's programs, and where they meet.
struct Tutorial {
    client: PathBuf,
    server: PathBuf,
    directory: TempDir,
}

impl Tutorial {
    /// `None` if the programs are not here.
    fn compiled() -> Option<Self> {
        let examples = examples::directory()?;
        let directory = tempfile::tempdir().unwrap();
        let (client, server) = (directory.path().join("client"), directory.path().join("server"));
        compile_to(&client, &examples.join("hafta_client.c"), &linked());
        // It includes too little for a newer standard.
        compile_to(&server, &examples.join("hafta_server.c"), &["-std=gnu89", "-w"].map(OsString::from));
        Some(Self { client, server, directory })
    }

    fn pipe(&self) -> PathBuf {
        self.directory.path().join("pipe")
    }

    fn start(&self, program: &Path, dice: &str, naps: &Naps) -> Running {
        let program = Program::new(program).preload(&compile("tutorial.c", &shared()));
        let program = program.environment("TUTORIAL_PIPE", self.pipe()).environment("TUTORIAL_DICE", dice);
        naps.of(program).start()
    }

    /// Starts the server, which makes the pipe and then waits for its client.
    fn server(&self, dice: &str) -> Server {
        let naps = Naps::new();
        let running = self.start(&self.server, dice, &naps);
        let began = Instant::now();
        while !self.pipe().exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "the server has made no pipe");
            std::thread::sleep(Duration::from_millis(1));
        }
        Server { running, naps, nap: None }
    }
}

/// A server that runs, and sleeps after each thing that it writes. It is killed when this is dropped.
struct Server {
    running: Running,
    naps: Naps,
    nap: Option<Nap>,
}

impl Server {
    fn write(&mut self, times: usize) {
        for _ in 0..times {
            self.nap = None;
            self.nap = Some(self.naps.next(&mut self.running));
        }
    }

    /// Lets it write again, and waits for its end.
    fn into_its_end(self) -> ExitStatus {
        drop(self.nap);
        self.running.wait().status
    }
}

#[test]
fn the_client_outlives_its_servers_and_bad_data() {
    let Some(tutorial) = Tutorial::compiled() else {
        return skipped("the tutorial's programs are not here; set HA_EXAMPLES to the directory of the examples");
    };
    // The client is there first, and tries twice before there is a server.
    let naps = Naps::new();
    let mut client = tutorial.start(&tutorial.client, "", &naps);
    drop(naps.next(&mut client));
    let mut waiting = naps.next(&mut client);
    let mut expected = FAILED.repeat(2);

    // Three servers are killed, each after some good data.
    for count in [3, 1, 2] {
        let mut server = tutorial.server("");
        drop(waiting);
        server.write(count);
        drop(server);
        waiting = naps.next(&mut client);
        expected += &good(1..=count.try_into().unwrap());
        expected += FAILED;
    }

    // The fourth writes bad data, three times. The node of the reads never succeeds in between, good reads or not, so that the
    // fifth bad read goes back.
    let mut server = tutorial.server("gbgbb");
    drop(waiting);
    server.write(5);
    drop(naps.next(&mut client));
    server.write(25);
    expected += &good(1..=1);
    expected += &[BAD_T, ROLLED_BACK, BAD_O, ROLLED_BACK].concat();
    expected += &good(1..=1);
    expected += &[BAD_T, ROLLED_BACK, BAD_O, ROLLED_BACK, BAD_T, FAILED, BAD_O, ROLLED_BACK].concat();
    expected += &good(1..=25);

    let ended = client.wait().successfully();
    assert_eq!(ended.text(), expected);
    assert_eq!(ended.errors, "Sequence was: finished\n");
    assert_eq!(server.into_its_end().signal(), Some(13), "SIGPIPE ends a server without a client");
}

#[test]
fn the_client_compiles_in_every_standard() {
    let Some(examples) = examples::directory() else {
        return skipped("the tutorial's client is not here; set HA_EXAMPLES to the directory of the examples");
    };
    let mut compiled = 0;
    for compiler in ["gcc", "clang"].into_iter().filter(|compiler| is_installed(compiler)) {
        for standard in ["gnu89", "c99", "gnu99", "c11", "gnu17", "c2x"] {
            let mut command = Command::new(compiler);
            command.args(STRICT).arg(format!("-std={standard}")).args(["-w", "-fsyntax-only", "-I"]);
            command.arg(package().join("include")).arg(examples.join("hafta_client.c"));
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
            compiled += 1;
        }
    }
    assert!(compiled > 0, "there is neither gcc nor clang");
}
