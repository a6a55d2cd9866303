//! Clients of a FIFO server: one FIFO for requests and one for answers per connection.
//!
//! Writes of at most `PIPE_BUF` bytes go in whole or not at all, so a request is never torn; an answer can be, because
//! the server is killed between two halves of it, and the reader finds the next whole one by its magic bytes.
//!
//! A FIFO does not always tell that its server died: when the next one opens it before the reader has seen the end of
//! file, reading just goes on. Each server therefore begins with a `Hello`, and a reader that hears one sends what is
//! outstanding again, as the recovery function does.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ha_core::Outcome;
use nix::fcntl::OFlag;
use rustix::fs::{CWD, Mode};

use super::accounts::{settle, swallowed, take};
use super::beat::{Beat, Step};
use super::client::{Endpoint, Number, Numbers, Revival, cover};
use super::course::CourseError;
use super::episodes::Episodes;
use super::lines::{Line, Lines};
use super::options::Options;
use super::scene::Scene;
use super::strangers;
use super::window::{Round, Then, Window, Wire};
use crate::frames::{Frame, Frames};
use crate::record::{HEADER, Kind, Record};

/// The size of every record on a FIFO: well below `PIPE_BUF`, so that each goes in whole.
pub(crate) const SIZE: usize = 512;

/// How many requests may be outstanding. Those sent again must fit into the pipe next to the answers that wait in the
/// other one, for nobody reads answers while they are being sent.
const WINDOW: usize = 16;

/// The FIFO for a connection's requests.
pub(crate) fn requests(root: &Path, connection: u32) -> PathBuf {
    root.join(format!("requests-{connection}"))
}

/// The FIFO for a connection's answers.
pub(crate) fn answers(root: &Path, connection: u32) -> PathBuf {
    root.join(format!("answers-{connection}"))
}

/// A record of the size that all records on FIFOs have.
pub(crate) fn record(kind: Kind, connection: u32, number: u64) -> Record {
    Record { kind, connection, number, payload: (SIZE - HEADER) as u32 }
}

/// Makes all FIFOs.
pub(crate) fn prepare(root: &Path, connections: u32) -> io::Result<()> {
    for connection in 0..connections {
        for path in [requests(root, connection), answers(root, connection)] {
            rustix::fs::mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR)?;
        }
    }
    Ok(())
}

/// Opens all connections.
pub(crate) fn open(scene: &Arc<Scene>, options: &Options, root: &Path, lines: &mut Lines) -> Result<(), CourseError> {
    for index in 0..options.threads {
        lines.add(connect(scene, options, root, index)?);
    }
    Ok(())
}

fn connect(scene: &Arc<Scene>, options: &Options, root: &Path, index: u32) -> Result<Line, CourseError> {
    let name = format!("fifo connection {index}");
    let window = Arc::new(Window::new(WINDOW, Wire::Pipe));
    // Both opens wait for the server, which opens its ends in the same order.
    let request_end = Endpoint::Path(requests(root, index), OFlag::O_WRONLY);
    let answer_end = Endpoint::Path(answers(root, index), OFlag::O_RDONLY);
    let (descriptor, answers_descriptor) = (request_end.open()?, answer_end.open()?);

    let episodes = scene.episodes_of(format!("{name} requests"));
    let notice = Arc::clone(&window);
    let prelude = Box::new(move |_: BorrowedFd<'_>| {
        notice.failed();
        Ok(())
    });
    let revival = Revival { endpoint: request_end, prelude };
    let requests = Arc::new(cover(options.client, descriptor, revival, &episodes, options.dups)?);

    let episodes = scene.episodes_of(format!("{name} answers"));
    // Through the other covered connection. When that one is dead as well, its own recovery runs inside this one.
    let (again, through) = (Arc::clone(&window), Arc::clone(&requests));
    let prelude = Box::new(move |_: BorrowedFd<'_>| ask_again(&through, &again, index, Round::Reopened));
    let revival = Revival { endpoint: answer_end, prelude };
    let answers = Arc::new(cover(options.client, answers_descriptor, revival, &episodes, options.dups)?);

    let writer = {
        let (requests, window) = (Arc::clone(&requests), Arc::clone(&window));
        scene.spawn(format!("{name} writer"), move |scene, beat| write(scene, beat, &requests, &window, index))?
    };
    let reader = {
        let (answers, requests, window) = (Arc::clone(&answers), Arc::clone(&requests), Arc::clone(&window));
        let client = Client { answers, requests, window, episodes, connection: index };
        scene.spawn(format!("{name} reader"), move |scene, beat| client.read(scene, beat))?
    };
    let strangers = strangers::invite(scene, &name, &answers)?;
    let settle = move |scene: &Scene| settle(scene, &name, &answers, &window);
    Ok(Line { threads: vec![writer, reader, strangers], settle: Box::new(settle) })
}

/// Sends everything outstanding again.
fn ask_again(requests: &[Box<dyn Number>], window: &Window, connection: u32, round: Round) -> io::Result<()> {
    for (number, covered) in window.ask_again(round).into_iter().zip(requests.iter().cycle()) {
        // All or nothing: see `SIZE`.
        covered.write(&record(Kind::Again, connection, number).encode())?;
    }
    Ok(())
}

fn write(scene: &Scene, beat: &Beat, requests: &[Box<dyn Number>], window: &Window, connection: u32) {
    for covered in requests.iter().map(AsRef::as_ref).cycle() {
        let asked = beat.during(Step::Room, || window.ask(|| scene.is_stopping()));
        let number = asked.unwrap_or_else(|| window.ask_last());
        let sent = write_one(beat, covered, record(Kind::Request, connection, number)).and_then(|outcome| {
            match window.returned(outcome) {
                Then::Nothing => Ok(Outcome::Intact),
                // The pipe outlives its readers, so one that is asked may not be the one that received it.
                Then::Check | Then::Again => write_one(beat, covered, record(Kind::Again, connection, number)),
                Then::Complain => Err(swallowed(number)),
            }
        });
        if let Err(fault) = sent {
            return scene.fault(format!("fifo connection {connection}: {fault}"));
        }
        if asked.is_none() {
            return;
        }
    }
}

/// One covered call, and what libha says has become of it.
fn write_one(beat: &Beat, covered: &dyn Number, record: Record) -> Result<Outcome, String> {
    match beat.call(Step::Write, covered.as_raw_fd(), || covered.write(&record.encode())) {
        Ok(SIZE) => Ok(covered.take_outcome()),
        Ok(count) => Err(format!("write returned {count} of {SIZE} bytes")),
        Err(error) => Err(format!("write failed in spite of its cover: {error}")),
    }
}

/// What the reader of a connection needs.
struct Client {
    answers: Arc<Numbers>,
    requests: Arc<Numbers>,
    window: Arc<Window>,
    /// Those of the answers' FIFO.
    episodes: Arc<Episodes>,
    connection: u32,
}

impl Client {
    fn read(&self, scene: &Scene, beat: &Beat) {
        let mut frames = Frames::of(SIZE);
        let mut torn = 0;
        let mut bytes = [0; 4096];
        for covered in self.answers.iter().cycle().skip(1) {
            match beat.call(Step::Read, covered.as_raw_fd(), || covered.read(&mut bytes)) {
                Ok(0) => return scene.fault("read returned an end of file in spite of its cover"),
                Ok(count) => frames.push(&bytes[..count]),
                Err(error) => return scene.fault(format!("read failed in spite of its cover: {error}")),
            }
            while let Some(frame) = frames.pop() {
                match frame {
                    Frame::Torn => torn += 1,
                    Frame::Whole(hello) if hello.kind == Kind::Hello => {
                        self.episodes.greeted(hello.number);
                        let again = || ask_again(&self.requests, &self.window, self.connection, Round::Greeting);
                        if let Err(error) = beat.call(Step::Write, self.requests[0].as_raw_fd(), again) {
                            return scene.fault(format!("asking again failed: {error}"));
                        }
                    }
                    Frame::Whole(answer) => {
                        if take(scene, &answer.encode(), &self.window, self.connection) == Some(true) {
                            return;
                        }
                    }
                }
                // Each death can tear one answer of this connection, and nothing else can.
                if torn > scene.deaths() {
                    let deaths = scene.deaths();
                    return scene.corruption(format!("{torn} torn answers, but only {deaths} deaths of the server"));
                }
            }
        }
    }
}
