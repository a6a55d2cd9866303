//! From the command line to the program that takes the place of this process.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode};

use super::environment;
use super::inherited;
use super::library::{self, Library};
use super::options::Options;
use super::program;
use super::search;

/// The exit statuses that env(1) and nice(1) have too, for what happens before the program runs.
mod status {
    /// This command itself failed.
    pub(super) const FAILED: u8 = 125;
    /// The program cannot be executed, or not as asked.
    pub(super) const NOT_EXECUTED: u8 = 126;
    /// There is no such program.
    pub(super) const NOT_FOUND: u8 = 127;
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Library(#[from] library::Error),
    #[error(transparent)]
    Environment(#[from] environment::Error),
    #[error(transparent)]
    Program(#[from] program::Error),
    #[error("{}: cannot be executed: {source}", path.display())]
    Exec { path: PathBuf, source: io::Error },
}

impl Error {
    fn status(&self) -> u8 {
        match self {
            Self::Library(_) | Self::Environment(_) => status::FAILED,
            Self::Program(error) if error.is_not_found() => status::NOT_FOUND,
            Self::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => status::NOT_FOUND,
            Self::Program(_) | Self::Exec { .. } => status::NOT_EXECUTED,
        }
    }
}

/// Becomes the program; what it returns says why that was not possible.
pub(crate) fn run(options: &Options) -> ExitCode {
    let Err(error) = launch(options);
    eprintln!("ha: {error}");
    ExitCode::from(error.status())
}

/// Ends this process because of its command line, with the status that belongs to the command.
pub(crate) fn refuse(error: &clap::Error) -> ! {
    let is_run = env::args_os().nth(1).is_some_and(|command| command == "run");
    if is_run && error.use_stderr() {
        // When standard error is closed, only the status is left to tell.
        let _ = error.print();
        process::exit(status::FAILED.into());
    }
    error.exit()
}

fn launch(options: &Options) -> Result<Infallible, Error> {
    let library = Library::find(options.lib.as_deref())?;
    let environment = environment::compose(options, &library.path)?;
    let name = options.command.first().map(OsString::as_os_str).unwrap_or_default();
    let arguments = options.command.get(1..).unwrap_or_default();
    let path = env::var_os("PATH");
    let program = search::find(name, path.as_deref())?;
    program::check(&program, library.target, path.as_deref())?;
    let mut command = Command::new(&program);
    command.arg0(name).args(arguments).envs(environment);
    inherited::pass_on(&mut command);
    Err(exec(command, &program))
}

fn exec(mut command: Command, program: &Path) -> Error {
    Error::Exec { path: program.into(), source: command.exec() }
}
