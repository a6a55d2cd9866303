//! What is measured, and on what machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

/// Where libha is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Installation {
    /// The library. The default is the one beside this program.
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,
    /// The `ha` command. The default is the one beside this program.
    #[arg(long, value_name = "PATH")]
    ha: Option<PathBuf>,
}

impl Installation {
    pub(crate) fn library(&self) -> io::Result<PathBuf> {
        self.library.clone().map_or_else(|| beside("libha.so", "ha-cover"), Ok)
    }

    pub(crate) fn ha(&self) -> io::Result<PathBuf> {
        self.ha.clone().map_or_else(|| beside("ha", "ha-cli"), Ok)
    }
}

fn beside(name: &str, package: &str) -> io::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let path = this.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    let hint = format!("{} is not there: build it with `cargo build --release -p {package}`", path.display());
    Err(io::Error::new(io::ErrorKind::NotFound, hint))
}

/// What a page of figures has to say about where they come from.
pub(crate) fn circumstances() -> Vec<(&'static str, String)> {
    let processor = first_line_with("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", said_by("git", &["describe", "--always", "--dirty", "--abbrev=12"])),
        ("kernel", said_by("uname", &["-srm"])),
        ("libc", said_by("getconf", &["GNU_LIBC_VERSION"])),
        ("processor", format!("{processor}, {processors} of them")),
        ("mitigations", mitigations()),
        ("load at the start", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()),
    ]
}

fn first_line_with(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What the kernel does against its processor where that costs returns and branches.
fn mitigations() -> String {
    let of = |name: &str| {
        let text = fs::read_to_string(Path::new("/sys/devices/system/cpu/vulnerabilities").join(name)).ok()?;
        Some(format!("{name}: {}", text.trim()))
    };
    ["spectre_v2", "spec_rstack_overflow", "retbleed"].into_iter().filter_map(of).collect::<Vec<_>>().join("; ")
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
