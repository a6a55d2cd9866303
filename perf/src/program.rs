//! Whole programs: the library's size, what it adds to a start, and programs that know nothing of it.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::figures::{Figure, Unit, median};

/// The size of the library without what only debuggers read.
pub(crate) fn size(library: &Path) -> io::Result<Figure> {
    let directory = tempfile::tempdir()?;
    let stripped = directory.path().join("libha.so");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(library).status()?;
    if !status.success() {
        return Err(io::Error::other("strip (binutils) has failed"));
    }
    Ok(Figure::new("size: libha.so, stripped", stripped.metadata()?.len() as f64, Unit::Bytes))
}

/// What libha adds to the time that `/bin/true` takes.
pub(crate) fn start(library: &Path, rounds: usize) -> io::Result<Vec<Figure>> {
    let run = |preload: bool| -> io::Result<f64> {
        let mut command = Command::new("/bin/true");
        if preload {
            command.env("LD_PRELOAD", library);
        }
        let began = Instant::now();
        command.status()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    let (mut plain, mut with) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        plain.push(run(false)?);
        with.push(run(true)?);
    }
    let (plain, with) = (median(&mut plain), median(&mut with));
    Ok(vec![
        Figure::new("start: /bin/true", plain, Unit::Milliseconds),
        Figure::new("start: added by libha", with - plain, Unit::Milliseconds),
    ])
}

/// Throughput of unmodified programs under `ha run`, against the same without.
pub(crate) fn throughput(ha: &Path, rounds: usize) -> io::Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let big = directory.path().join("big");
    File::create(&big)?.set_len(1 << 30)?;
    let big = big.to_string_lossy().into_owned();
    let mut figures = Vec::new();
    let dd = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=1000000"];
    figures.push(compared("dd bs=1", ha, &[], &dd, rounds)?);
    figures.push(compared("cat of 1 GiB", ha, &[], &["cat", &big], rounds)?);
    if let Some(server) = Redis::start(directory.path())? {
        let port = server.port.to_string();
        let benchmark =
            ["redis-benchmark", "-h", "127.0.0.1", "-p", &port, "-t", "get", "-n", "60000", "-c", "20", "-q"];
        figures.push(compared("redis-benchmark", ha, &[], &benchmark, rounds)?);
        let address = format!("127.0.0.1:{port}");
        let covered = ["--reconnect", &address];
        figures.push(compared("redis-benchmark, its sockets covered", ha, &covered, &benchmark, rounds)?);
    }
    Ok(figures)
}

fn compared(name: &str, ha: &Path, options: &[&str], program: &[&str], rounds: usize) -> io::Result<Figure> {
    let timed = |command: &mut Command| -> io::Result<f64> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = command.status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{program:?} has failed: {status}")));
        }
        Ok(began.elapsed().as_secs_f64())
    };
    let without = || timed(Command::new(program[0]).args(&program[1..]));
    let with = || timed(Command::new(ha).arg("run").args(options).arg("--").args(program));
    // What is read for the first time is read from elsewhere.
    without()?;
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let (before, under, after) = (without()?, with()?, without()?);
        ratios.push(under / f64::midpoint(before, after));
    }
    Ok(Figure::new(format!("under ha run: {name}"), median(&mut ratios), Unit::Times))
}

fn ending_with_its_parent(command: &mut Command) -> &mut Command {
    let die = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    // SAFETY: one system call, which may be made between fork and exec.
    unsafe { command.pre_exec(die) }
}

/// A redis server of our own, for as long as this lives.
struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    /// None where it is not installed.
    fn start(directory: &Path) -> io::Result<Option<Self>> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(port.to_string())
            .arg("--dir")
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let started = ending_with_its_parent(&mut command).spawn();
        let process = match started {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            started => started?,
        };
        let server = Self { process, port };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::other("redis-server does not answer"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(server))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
