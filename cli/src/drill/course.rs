//! The course of a drill: one transport after another, from the first server start to the report.

use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::broken_pipe;
use super::cleanup::{self, Place};
use super::client::library;
use super::killer::{self, Limits};
use super::lines::Lines;
use super::options::{Client, Options, Transport};
use super::progress::{Bars, Progress};
use super::report::{Drilled, Outcome, Report};
use super::scene::Scene;
use super::server_process::{Plan, Server, StartError};
use super::watchdog::{LastWords, Watchdog};
use super::{fifo, files, stream};

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
    if options.client == Client::Libc {
        library::load().map_err(io::Error::other)?;
    }
    cleanup::on_signals()?;
    broken_pipe::watch()?;
    allow_many_descriptors();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(0..1_000_000_000));
    let transports = options.transports();
    let bars = Bars::new(options.json);
    let begun = Instant::now();
    let outcomes: Arc<Mutex<Vec<Outcome>>> = Arc::default();
    for (done, transport) in transports.iter().enumerate() {
        // Time that a skipped transport did not need goes to the others.
        let left = (transports.len() - done) as u32;
        let share = options.duration().map(|duration| duration.saturating_sub(begun.elapsed()) / left);
        let outcome = drill(*transport, options, seed, share, &bars, &outcomes);
        let hung = matches!(&outcome, Outcome::Drilled(drilled) if !drilled.hung.is_empty());
        lock(&outcomes).push(outcome);
        if hung {
            // Its threads still hold descriptors, and whatever they wait for could stop the next drill as well.
            break;
        }
    }
    let report = Report::of(options, seed, std::mem::take(&mut *lock(&outcomes)));
    bars.clear();
    report.print(options.json)?;
    Ok(if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Many connections with many dups need more descriptors than a process may have by default.
fn allow_many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Without the permission the drill goes on as far as it comes, and says so when a connection cannot be opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn lock(outcomes: &Mutex<Vec<Outcome>>) -> MutexGuard<'_, Vec<Outcome>> {
    outcomes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn drill(
    transport: Transport,
    options: &Options,
    seed: u64,
    share: Option<Duration>,
    bars: &Bars,
    before: &Arc<Mutex<Vec<Outcome>>>,
) -> Outcome {
    let limits = Limits { until: share.map(|share| Instant::now() + share), kills: options.kills };
    let progress = bars.begin(transport, share, limits);
    let last_words = last_words(options, seed, before);
    match rehearse(transport, options, seed, limits, &progress, last_words) {
        Ok(drilled) => Outcome::Drilled(Box::new(drilled)),
        // Whatever else a machine lacks, it offers sockets and FIFOs.
        Err(CourseError::Start(error)) if transport == Transport::Fuse => {
            let skipped = error.to_string();
            progress.skip(&skipped);
            Outcome::Skipped { transport, skipped, demanded: options.names(transport) }
        }
        Err(error) => {
            let failed = error.to_string();
            progress.fail(&failed);
            Outcome::Failed { transport, failed }
        }
    }
}

/// What to print when a drill cannot end in order: everything that is known so far, as in any other report.
fn last_words(options: &Options, seed: u64, before: &Arc<Mutex<Vec<Outcome>>>) -> LastWords {
    let (options, before) = (options.clone(), Arc::clone(before));
    Box::new(move |scene| {
        let mut outcomes = std::mem::take(&mut *lock(&before));
        outcomes.push(Outcome::Drilled(Box::new(Drilled::of(scene))));
        // Nobody is left to whom a failure to write could be reported.
        let _ = Report::of(&options, seed, outcomes).print(options.json);
    })
}

fn rehearse(
    transport: Transport,
    options: &Options,
    seed: u64,
    limits: Limits,
    progress: &Progress,
    last_words: LastWords,
) -> Result<Drilled, CourseError> {
    let place = Place::new()?;
    let scene = Scene::new(transport, seed ^ crate::record::mix(transport as u64))?;
    let mut server = Server::new(plan(transport, options, &scene, &place)?);
    if transport == Transport::Fuse {
        files::prepare(place.root(), options.threads)?;
    }
    server.start()?;
    let watchdog = Watchdog::over(&scene, Duration::from_secs(options.patience), last_words)?;
    let mut lines = Lines::of(&scene);
    match transport {
        Transport::Tcp | Transport::Unix => stream::open(&scene, options, server.at(), &mut lines),
        Transport::Fifo => fifo::open(&scene, options, place.root(), &mut lines),
        Transport::Fuse => files::open(&scene, options, &place, &mut lines),
    }?;
    let beat = scene.beat(format!("{transport} killer"));
    beat.adopt();
    // A server that cannot be started again ends the drill; what is lost by it is found below.
    if let Err(error) = killer::kill_and_restart(&scene, &mut server, limits, &beat, progress) {
        scene.fault(format!("the server could not be started again: {error}"));
    }
    beat.finish();
    scene.stop();
    lines.drain();
    lines.conclude();
    if let Some(death) = server.died_by_itself() {
        scene.fault(death);
    }
    if broken_pipe::was_raised() {
        scene.fault("a call on a covered number has raised SIGPIPE");
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
