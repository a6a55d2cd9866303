//! The log: nothing unless `HA_LOG` asks, and then one line per event, by the kernel's own write to a descriptor of our own.
//!
//! tracing's own formatter keeps its buffer in a thread-local, and would end the process where libha still has something to say:
//! when streams are flushed after the thread's destructors have run. A line here is made in a local.

use std::fmt::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use ha_core::rustix::fs::{CWD, Mode, OFlags, Stat, fstat, openat};
use ha_core::rustix::io::{self, fcntl_dupfd_cloexec};
use ha_core::rustix::time::{ClockId, clock_gettime};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::interface::coverage;
use crate::start::{Environment, borrowed};
use crate::stdio;

/// Where the private copy of standard error goes: out of the way of a program that counts on low numbers.
const HIGH: i32 = 900;

/// Opens the log if the environment asks for one.
pub(crate) fn start(environment: &Environment) {
    let level = environment.value("HA_LOG").map(String::from_utf8_lossy);
    let file = environment.value("HA_LOG_FILE").map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path)));
    let level = match level.as_deref().map(str::parse) {
        Some(Ok(level)) => level,
        None if file.is_some() => LevelFilter::INFO,
        _ => return,
    };
    let Some(place) = file.map(Place::File).or_else(Place::standard_error) else { return };
    // Refused if there is one already, which is as good.
    let _ = tracing::subscriber::set_global_default(Log { level, place });
}

/// Says whether the covers are in front of libc.
pub(crate) fn started() {
    if tracing::enabled!(target: "ha", tracing::Level::DEBUG) {
        let coverage = coverage::ha_coverage();
        let (calls, stdio) = (coverage & coverage::CALLS != 0, coverage & coverage::STDIO != 0);
        let version = env!("CARGO_PKG_VERSION");
        tracing::debug!(target: "ha", version, calls, stdio, process = std::process::id(), "in front of libc");
    }
    if let Some(refused) = stdio::refusal() {
        tracing::warn!(target: "ha", %refused, "stdio is not covered");
    }
}

struct Log {
    level: LevelFilter,
    place: Place,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let now = clock_gettime(ClockId::Realtime);
        let (seconds, microseconds) = (now.tv_sec, now.tv_nsec / 1000);
        let metadata = event.metadata();
        let mut line = Line(format!("{seconds}.{microseconds:06} {:>5} {}:", metadata.level(), metadata.target()));
        event.record(&mut line);
        line.0.push('\n');
        // A log that cannot be written must not disturb the program.
        let _ = self.place.write(line.0.as_bytes());
    }

    // libha has no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line that is being written: the message as it is, other fields by name.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// Where lines go.
enum Place {
    File(PathBuf),
    /// A copy of what standard error was when the program started.
    Copy {
        copy: OwnedFd,
        status: Box<Stat>,
    },
}

impl Place {
    fn standard_error() -> Option<Self> {
        let standard = borrowed(2)?;
        let copy = fcntl_dupfd_cloexec(standard, HIGH).or_else(|_| fcntl_dupfd_cloexec(standard, 3)).ok()?;
        let status = Box::new(fstat(&copy).ok()?);
        Some(Self::Copy { copy, status })
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        match self {
            // Not by a name that is covered: the file may be under a pattern of `ha run --reopen`.
            Self::File(path) => {
                let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
                let file = openat(CWD, path, flags, Mode::from_raw_mode(0o666))?;
                io::write(&file, line).map(drop)
            }
            // A program that closes every number has closed this one; what is open under it then is not ours.
            Self::Copy { copy, status } if is_same(copy, status) => io::write(copy, line).map(drop),
            Self::Copy { .. } => Ok(()),
        }
    }
}

fn is_same(copy: &OwnedFd, before: &Stat) -> bool {
    let place = |status: &Stat| (status.st_dev, status.st_ino, status.st_rdev);
    fstat(copy.as_fd()).is_ok_and(|now| place(&now) == place(before))
}
