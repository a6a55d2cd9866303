//! What a drill can be told.

use std::fmt;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

/// How long a drill takes when nobody says how long.
const DEFAULT_SECONDS: u64 = 20;

/// After how many seconds a thread counts as hung when nobody says.
const DEFAULT_PATIENCE: u64 = 10;

/// Kills real servers under covered connections and verifies every byte.
///
/// Starts servers of its own (on loopback and in a temporary directory), opens covered connections to them, kills the
/// servers with SIGKILL at random moments, starts them again, and checks every byte that the clients read: nothing
/// may be lost, duplicated or damaged, and nobody may hang.
///
/// The exit status is 0 when all of that holds and 1 when anything does not; the drill then prints the command that
/// repeats the run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// What to drill; several may be given, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) over: Vec<Over>,

    /// Connections per transport, each with threads of its own
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,

    /// Numbers (dups) per connection, used in turn
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) dups: u32,

    /// Stop each transport after this many kills
    #[arg(long, value_name = "N")]
    pub(crate) kills: Option<u64>,

    /// Length of the whole drill, shared equally by the transports [default: 20, or no limit with --kills]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,

    /// Where all randomness comes from [default: a new one for each run]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// What the clients call: libha's Rust API, or libc's own functions with libha.so in front of them
    #[arg(long, value_enum, default_value_t = Client::Rust)]
    pub(crate) client: Client,

    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,

    /// Seconds without any progress after which a thread counts as hung
    #[arg(long, value_name = "S", default_value_t = DEFAULT_PATIENCE, hide = true)]
    pub(crate) patience: u64,

    /// Make the servers misbehave, to see that the drill notices
    #[arg(long, value_enum, hide = true)]
    pub(crate) sabotage: Option<Sabotage>,
}

/// What `--over` accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Over {
    /// A TCP server on loopback
    Tcp,
    /// A Unix stream server
    Unix,
    /// A server behind pairs of FIFOs
    Fifo,
    /// A FUSE file server (needs root and /dev/fuse)
    Fuse,
    /// All of them; what this machine does not offer is skipped
    All,
}

/// One way to reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// TCP on loopback.
    Tcp,
    /// A Unix stream socket.
    Unix,
    /// A FIFO for requests and one for answers.
    Fifo,
    /// A file system in user space.
    Fuse,
}

/// What the clients call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Client {
    /// The Rust API of libha.
    Rust,
    /// The functions of libc, covered by libha.so.
    Libc,
}

/// How a server can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// Some answers have a wrong byte.
    Corrupt,
    /// Some requests are never answered.
    Lose,
    /// Some requests are answered twice.
    Duplicate,
}

impl Transport {
    const ALL: [Self; 4] = [Self::Tcp, Self::Unix, Self::Fifo, Self::Fuse];

    /// The name that `--over` knows it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Fifo => "fifo",
            Self::Fuse => "fuse",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl Client {
    /// The name that `--client` knows it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Libc => "libc",
        }
    }
}

impl Sabotage {
    /// The name that `--sabotage` knows it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Lose => "lose",
            Self::Duplicate => "duplicate",
        }
    }
}

impl Options {
    /// The transports to drill, in a fixed order, each once.
    pub(crate) fn transports(&self) -> Vec<Transport> {
        Transport::ALL
            .into_iter()
            .filter(|transport| self.names(*transport) || self.over.contains(&Over::All))
            .collect()
    }

    /// Whether the transport was asked for by name, so that skipping it would be a failure.
    pub(crate) fn names(&self, transport: Transport) -> bool {
        self.over.iter().any(|over| match over {
            Over::Tcp => transport == Transport::Tcp,
            Over::Unix => transport == Transport::Unix,
            Over::Fifo => transport == Transport::Fifo,
            Over::Fuse => transport == Transport::Fuse,
            Over::All => false,
        })
    }

    /// How long all transports together may take; `None` when the number of kills alone decides.
    pub(crate) fn duration(&self) -> Option<Duration> {
        match (self.seconds, self.kills) {
            (None, Some(_)) => None,
            (seconds, _) => Some(Duration::from_secs(seconds.unwrap_or(DEFAULT_SECONDS))),
        }
    }

    /// The command that repeats a run with these options and this seed.
    pub(crate) fn command(&self, seed: u64) -> String {
        let names: Vec<&str> = self.transports().into_iter().map(Transport::name).collect();
        let over = if self.over.contains(&Over::All) { "all".to_owned() } else { names.join(",") };
        let mut command =
            format!("ha drill --over {over} --threads {} --dups {} --seed {seed}", self.threads, self.dups);
        if let Some(kills) = self.kills {
            command += &format!(" --kills {kills}");
        }
        if let Some(duration) = self.duration() {
            command += &format!(" --seconds {}", duration.as_secs());
        }
        if self.client != Client::Rust {
            command += &format!(" --client {}", self.client.name());
        }
        if self.json {
            command += " --json";
        }
        if self.patience != DEFAULT_PATIENCE {
            command += &format!(" --patience {}", self.patience);
        }
        if let Some(sabotage) = self.sabotage {
            command += &format!(" --sabotage {}", sabotage.name());
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &str) -> Options {
        Command::parse_from(std::iter::once("drill").chain(arguments.split_whitespace())).options
    }

    #[test]
    fn without_options_everything_is_drilled_for_twenty_seconds() {
        let options = options("");
        assert_eq!(options.transports(), Transport::ALL);
        assert_eq!(options.duration(), Some(Duration::from_secs(20)));
        assert!(!options.names(Transport::Fuse));
    }

    #[test]
    fn transports_can_be_listed_or_repeated() {
        assert_eq!(options("--over fifo,tcp").transports(), [Transport::Tcp, Transport::Fifo]);
        assert_eq!(options("--over fuse --over fuse").transports(), [Transport::Fuse]);
    }

    #[test]
    fn a_number_of_kills_replaces_the_default_length() {
        assert_eq!(options("--kills 5").duration(), None);
        assert_eq!(options("--kills 5 --seconds 3").duration(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn the_command_repeats_the_run() {
        let original = options("--over unix,tcp --threads 2 --kills 9 --sabotage lose");
        let command = original.command(42);
        assert_eq!(command, "ha drill --over tcp,unix --threads 2 --dups 3 --seed 42 --kills 9 --sabotage lose");
        let again = options(command.trim_start_matches("ha drill"));
        assert_eq!(again.command(42), command);
        assert_eq!(again.seed, Some(42));
    }

    #[test]
    fn the_command_repeats_who_the_clients_are() {
        let command = options("--over unix --client libc --kills 2").command(3);
        assert_eq!(command, "ha drill --over unix --threads 4 --dups 3 --seed 3 --kills 2 --client libc");
        assert_eq!(options(command.trim_start_matches("ha drill")).client, Client::Libc);
        assert_eq!(options("").client, Client::Rust);
    }

    #[test]
    fn the_command_repeats_hidden_options_too() {
        let command = options("--over tcp --seconds 9 --patience 4 --json").command(1);
        assert_eq!(command, "ha drill --over tcp --threads 4 --dups 3 --seed 1 --seconds 9 --json --patience 4");
        assert_eq!(options(command.trim_start_matches("ha drill")).command(1), command);
    }
}
