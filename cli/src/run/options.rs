//! What `ha run` can be told.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// How many outstanding bytes `--replay` sends again when nobody says how many.
const DEFAULT_REPLAY: &str = "64K";

const AFTER_HELP: &str = "\
Example: read a large file through an sshfs mount that may be lost and mounted again meanwhile

  ha run --reopen '/mnt/**' --deadline 2m -- sha256sum /mnt/backup.tar

Without --reopen and --reconnect nothing recovers by itself: the program runs as always, and what it says to libha
through the functions of ha/cover.h takes effect.

What cannot be covered: statically linked programs, programs that gain privileges when they start (set-user-ID,
set-group-ID, file capabilities) and programs for another C library than glibc or for another machine are refused.
Programs that make system calls without the C library, as those written in Go do, run, but what they do that way is
not covered. A program that clears LD_PRELOAD for its children runs them uncovered.

Inside of another `ha run`, an option that is not given keeps the value it has there.

Exit status: that of the program, which replaces this process. Before it starts:
  125  `ha run` itself failed: a bad option, or libha.so was not found
  126  the program was found but cannot be executed, or cannot be covered
  127  the program was not found";

/// Runs a program with libha in front of its C library.
///
/// The program needs no change, only to be dynamically linked. It replaces this process, so that signals, terminal,
/// standard input and exit status are its own. What the options name recovers when it is lost: the program sees a
/// slow call instead of an error.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = AFTER_HELP, after_help = "More, with an example: ha run --help")]
pub(crate) struct Options {
    /// Cover files opened under this pattern; may be repeated
    ///
    /// When the file system that serves a covered regular file dies and comes back, the file is opened again and the
    /// call goes on. `*` and `?` match within one name, `**` crosses directories, `{a,b}` means either; a relative
    /// pattern starts at the current directory, and symbolic links before the first wildcard are followed. Quote it, or
    /// the shell expands it.
    #[arg(long, value_name = "GLOB")]
    pub(super) reopen: Vec<String>,

    /// Cover client sockets connected there; may be repeated
    ///
    /// HOST:PORT (all addresses of the host, resolved once, now), unix:PATH, or unix:@NAME for an abstract name. When
    /// such a connection dies between two requests it is made again. With a request outstanding the program gets its
    /// original result, unless --replay allows more.
    #[arg(long, value_name = "HOST:PORT|unix:PATH|unix:@NAME")]
    pub(super) reconnect: Vec<OsString>,

    /// Send outstanding requests again on a new connection, up to so many bytes [default with no number: 64K]
    ///
    /// Outstanding is what was sent since the last bytes were received. Only for servers where it does no harm when
    /// a request arrives twice. K and M mean 1024 and 1048576 bytes; 0 means none.
    #[arg(long, value_name = "BYTES", value_parser = bytes, num_args = 0..=1, require_equals = true,
        default_missing_value = DEFAULT_REPLAY)]
    pub(super) replay: Option<u64>,

    /// Give up a recovery after this long: seconds, or for example 500ms, 2m [default: 30]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) deadline: Option<Duration>,

    /// Say on standard error what libha does
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) log: Option<Level>,

    /// Append what libha says to this file instead [with no --log: level info]
    #[arg(long, value_name = "PATH")]
    pub(super) log_file: Option<PathBuf>,

    /// The libha.so to use [default: the one that belongs to this `ha`]
    #[arg(long, value_name = "PATH")]
    pub(super) lib: Option<PathBuf>,

    /// The program, searched for in PATH, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    pub(super) command: Vec<OsString>,
}

/// How much libha says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    /// Nothing
    Off,
    /// What went wrong for good
    Error,
    /// Also what may surprise
    Warn,
    /// Also each recovery
    Info,
    /// Also what is covered and why
    Debug,
    /// Everything
    Trace,
}

impl Level {
    /// The name that `--log` and libha know it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "not a number of bytes such as 4096, 64K or 1M".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; give seconds, or for example 500ms or 2m"))?,
    };
    match u64::try_from(duration.as_millis()) {
        Ok(0) => Err("a recovery needs at least a millisecond".to_owned()),
        Ok(_) => Ok(duration),
        Err(_) => Err("longer than can be counted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        let arguments = std::iter::once("run").chain(arguments.split_whitespace());
        Command::try_parse_from(arguments).map(|command| command.options)
    }

    #[test]
    fn what_follows_the_program_is_its_own() {
        let options = parse("--reopen /a/* -- grep --replay -v --lib x").unwrap();
        assert_eq!(options.command, ["grep", "--replay", "-v", "--lib", "x"]);
        assert_eq!((options.replay, options.lib), (None, None));
        assert_eq!(parse("grep -v --lib x").unwrap().command, ["grep", "-v", "--lib", "x"]);
    }

    #[test]
    fn patterns_and_addresses_may_be_repeated() {
        let options = parse("--reopen /a/* --reconnect h:1 --reopen /b --reconnect unix:/s true").unwrap();
        assert_eq!(options.reopen, ["/a/*", "/b"]);
        assert_eq!(options.reconnect, ["h:1", "unix:/s"]);
        assert_eq!(options.command, ["true"]);
    }

    #[test]
    fn replay_needs_no_number_and_never_takes_the_program_for_one() {
        assert_eq!(parse("true").unwrap().replay, None);
        let options = parse("--replay 7 8").unwrap();
        assert_eq!((options.replay, options.command), (Some(65536), vec!["7".into(), "8".into()]));
        for (given, bytes) in [("0", 0), ("4096", 4096), ("64K", 65536), ("2m", 2 << 20)] {
            assert_eq!(parse(&format!("--replay={given} true")).unwrap().replay, Some(bytes), "{given}");
        }
        for bad in ["", "K", "-1", "1.5M", "9x", "99999999999999M", "µ"] {
            assert!(parse(&format!("--replay={bad} true")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_deadline_is_seconds_or_has_a_unit() {
        for (given, milliseconds) in [("30", 30_000), ("0.25", 250), ("500ms", 500), ("2m", 120_000)] {
            let deadline = parse(&format!("--deadline {given} true")).unwrap().deadline.unwrap();
            assert_eq!(deadline.as_millis(), milliseconds, "{given}");
        }
        for bad in ["0", "0.0001", "-1", "nan", "inf", "1e300", "soon", "99999999999999y"] {
            assert!(parse(&format!("--deadline={bad} true")).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_level_has_the_name_that_it_is_asked_for_by() {
        for level in Level::value_variants() {
            assert_eq!(parse(&format!("--log {} true", level.name())).unwrap().log, Some(*level));
        }
    }

    #[test]
    fn a_program_must_be_named() {
        assert!(parse("--reopen /a/*").is_err());
        assert!(parse("--").is_err());
    }

    #[test]
    fn a_misspelled_option_is_not_taken_for_the_program() {
        assert!(parse("--repoen /a/* -- true").is_err());
        assert!(parse("-x true").is_err());
    }
}
