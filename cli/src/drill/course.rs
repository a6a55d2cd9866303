//! The course of a drill: one transport after another, from the first server start to the report.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::cleanup::{self, Place};
use super::killer::{self, Limits};
use super::options::{Options, Transport};
use super::progress::{Bars, Progress};
use super::report::{Drilled, Outcome, Report};
use super::scene::Scene;
use super::server_process::{Plan, Server, StartError};
use super::watchdog::Watchdog;
use super::{fifo, files, stream, table};

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

/// Why a transport could not be drilled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CourseError {
    /// The server does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Something around the drill failed.
    #[error("the drill could not be prepared: {0}")]
    Io(#[from] io::Error),
    /// A connection could not be covered.
    #[error("the connection could not be covered: {0}")]
    Attach(#[from] ha_core::AttachError),
    /// The histogram could not be made.
    #[error("latencies cannot be recorded: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
}

/// Runs the whole drill and prints its report.
pub(crate) fn run(options: &Options) -> io::Result<ExitCode> {
    cleanup::on_signals()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000_000));
    let transports = options.transports();
    let bars = Bars::new(options.json);
    let begun = Instant::now();
    let mut outcomes = Vec::new();
    for (done, transport) in transports.iter().enumerate() {
        // Time that a skipped transport did not need goes to the others.
        let left = (transports.len() - done) as u32;
        let share = options.duration().map(|duration| duration.saturating_sub(begun.elapsed()) / left);
        let outcome = drill(*transport, options, seed, share, &bars);
        let hung = matches!(&outcome, Outcome::Drilled(drilled) if !drilled.hung.is_empty());
        outcomes.push(outcome);
        if hung {
            // Its threads still hold descriptors, and whatever they wait for could stop the next drill as well.
            break;
        }
    }
    let report = Report {
        passed: Report::passes(&outcomes),
        seed,
        repeat: options.command(seed),
        threads: options.threads,
        dups: options.dups,
        kills: outcomes.iter().map(Outcome::kills).sum(),
        transports: outcomes,
    };
    bars.clear();
    print(&report, options.json)?;
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        writeln!(out)?;
    } else {
        table::write(report, &mut out)?;
    }
    out.flush()
}

fn drill(transport: Transport, options: &Options, seed: u64, share: Option<Duration>, bars: &Bars) -> Outcome {
    let limits = Limits { until: share.map(|share| Instant::now() + share), kills: options.kills };
    let progress = bars.begin(transport, share, limits);
    match rehearse(transport, options, seed, limits, &progress) {
        Ok(drilled) => Outcome::Drilled(Box::new(drilled)),
        Err(error) => {
            let skipped = error.to_string();
            progress.skip(&skipped);
            let demanded = transport != Transport::Fuse || options.names(transport);
            Outcome::Skipped { transport, skipped, demanded }
        }
    }
}

fn rehearse(
    transport: Transport,
    options: &Options,
    seed: u64,
    limits: Limits,
    progress: &Progress,
) -> Result<Drilled, CourseError> {
    let place = Place::new()?;
    let scene = Scene::new(transport, seed ^ crate::record::mix(transport as u64))?;
    let mut server = Server::new(plan(transport, options, &scene, &place)?);
    if transport == Transport::Fuse {
        files::prepare(place.root(), options.threads)?;
    }
    server.start()?;
    let watchdog = Watchdog::over(&scene, Duration::from_secs(options.patience), options.command(seed))?;
    let lines = match transport {
        Transport::Tcp | Transport::Unix => stream::open(&scene, options, server.at()),
        Transport::Fifo => fifo::open(&scene, options, place.root()),
        Transport::Fuse => files::open(&scene, options, &place),
    }?;
    let beat = scene.beat(format!("{transport} killer"));
    beat.adopt();
    // A server that cannot be started again ends the drill; what is lost by it is found below.
    if let Err(error) = killer::kill_and_restart(&scene, &mut server, limits, &beat, progress) {
        scene.fault(format!("the server could not be started again: {error}"));
    }
    beat.finish();
    scene.stop();
    drain(&scene, &lines);
    conclude(&scene, lines);
    if let Some(death) = server.died_by_itself() {
        scene.fault(death);
    }
    drop(server);
    drop(watchdog);
    progress.end(&scene);
    Ok(Drilled::of(&scene))
}

fn plan(transport: Transport, options: &Options, scene: &Scene, place: &Place) -> io::Result<Plan> {
    let at = match transport {
        Transport::Tcp => stream::free_address(scene.seed)?,
        Transport::Unix => place.root().join("socket").display().to_string(),
        Transport::Fifo => place.root().display().to_string(),
        Transport::Fuse => place.mountpoint().display().to_string(),
    };
    if transport == Transport::Fifo {
        fifo::prepare(place.root(), options.threads)?;
    }
    Ok(Plan {
        transport,
        at,
        seed: scene.seed,
        connections: options.threads,
        store: (transport == Transport::Fuse).then(|| place.root().to_owned()),
        sabotage: options.sabotage,
    })
}

/// Waits until all threads have finished, or nothing moves any more.
fn drain(scene: &Arc<Scene>, lines: &[Line]) {
    let mut calls = scene.calls();
    let mut moved = Instant::now();
    while !scene.is_aborted() && moved.elapsed() < DRAIN_PATIENCE {
        if lines.iter().flat_map(|line| &line.threads).all(JoinHandle::is_finished) {
            return;
        }
        std::thread::sleep(GLANCE);
        let now = scene.calls();
        if now != calls {
            (calls, moved) = (now, Instant::now());
        }
    }
}

/// Draws the accounts. Threads that have not finished are left alone: nothing could make them.
fn conclude(scene: &Arc<Scene>, lines: Vec<Line>) {
    for line in lines {
        let mut unfinished = 0;
        for thread in line.threads {
            if !thread.is_finished() {
                unfinished += 1;
            } else if let Err(panic) = thread.join() {
                let text = panic.downcast::<String>().map_or_else(|_| "no message".to_owned(), |text| *text);
                scene.fault(format!("a thread of the drill panicked: {text}"));
            }
        }
        let lost = scene.findings().lost;
        (line.settle)(scene);
        if unfinished > 0 && scene.findings().lost == lost {
            scene.fault(format!("{unfinished} threads did not finish although nothing was outstanding"));
        }
    }
    if !scene.is_aborted() {
        let waiting = scene.beats().into_iter().filter(|beat| !beat.is_finished()).map(|beat| beat.whereabouts());
        scene.note(|findings| findings.hung.extend(waiting));
    }
    for episodes in scene.episodes() {
        for violation in episodes.violations(scene.deaths()) {
            scene.fault(violation);
        }
    }
}
