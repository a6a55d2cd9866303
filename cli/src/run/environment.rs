//! The environment that puts libha.so in front and tells it what to do.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};

use super::options::{Level, Options};
use super::{reconnect, reopen};

/// Variables with their new values; all others stay as they are.
type Variables = Vec<(&'static str, OsString)>;

/// Why an option cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Reopen(#[from] reopen::Error),
    #[error(transparent)]
    Reconnect(#[from] reconnect::Error),
    #[error("the current directory is not known: {0}; change to one that exists")]
    Directory(#[source] io::Error),
    #[error("--log-file {}: not the path of a file; give one", path.display())]
    LogFile { path: PathBuf },
}

/// The variables to set for a program that `library` is put in front of.
///
/// What no option speaks of is left alone, so that in nested runs the outer value stays.
pub(super) fn compose(options: &Options, library: &Path) -> Result<Variables, Error> {
    // A program can run in a directory that is gone, as long as nothing is said relative to it.
    let names_nothing = options.reopen.is_empty() && options.reconnect.is_empty() && options.log_file.is_none();
    let directory = if names_nothing { PathBuf::new() } else { env::current_dir().map_err(Error::Directory)? };
    compose_in(&directory, options, library, |name| env::var_os(name))
}

fn compose_in(
    directory: &Path,
    options: &Options,
    library: &Path,
    outer: impl Fn(&str) -> Option<OsString>,
) -> Result<Variables, Error> {
    let mut variables = vec![("LD_PRELOAD", in_front(library, outer("LD_PRELOAD")))];
    if !options.reopen.is_empty() {
        let patterns: Result<Vec<_>, _> =
            options.reopen.iter().map(|pattern| reopen::absolute(pattern, directory)).collect();
        variables.push(("HA_REOPEN", patterns?.join("\n").into()));
    }
    if !options.reconnect.is_empty() {
        let mut all = Vec::new();
        for given in &options.reconnect {
            all.extend(reconnect::addresses(given, directory)?);
        }
        variables.push(("HA_RECONNECT", all.join(OsStr::new("\n"))));
    }
    if let Some(bytes) = options.replay {
        variables.push(("HA_REPLAY", bytes.to_string().into()));
    }
    if let Some(deadline) = options.deadline {
        variables.push(("HA_DEADLINE", deadline.as_millis().to_string().into()));
    }
    // Who names a file wants something in it.
    let implied = options.log_file.as_ref().filter(|_| outer("HA_LOG").is_none()).map(|_| Level::Info);
    if let Some(level) = options.log.or(implied) {
        variables.push(("HA_LOG", level.name().into()));
    }
    if let Some(path) = &options.log_file {
        variables.push(("HA_LOG_FILE", log_file(directory, path)?));
    }
    Ok(variables)
}

/// The list of libraries with ours first; those of others stay behind it.
fn in_front(library: &Path, others: Option<OsString>) -> OsString {
    let others = others.unwrap_or_default();
    let mut names = others.as_bytes().split(|byte| b" :".contains(byte)).filter(|name| !name.is_empty());
    match names.next() {
        None => library.into(),
        Some(first) if first == library.as_os_str().as_bytes() => others,
        Some(_) => {
            let mut list = library.as_os_str().to_owned();
            list.push(":");
            list.push(others);
            list
        }
    }
}

fn log_file(directory: &Path, path: &Path) -> Result<OsString, Error> {
    let absolute = path::absolute(directory.join(path)).unwrap_or_default();
    if path.as_os_str().is_empty() || absolute.as_os_str().as_bytes().contains(&b'\n') || absolute.is_dir() {
        return Err(Error::LogFile { path: path.into() });
    }
    Ok(absolute.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn try_compose(arguments: &[&str], outer: &[(&str, &str)]) -> Result<BTreeMap<&'static str, String>, Error> {
        let arguments = ["run"].iter().chain(arguments).chain(&["--", "true"]);
        let options = Command::parse_from(arguments).options;
        let outer = |name: &str| outer.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        let variables = compose_in(Path::new("/srv"), &options, Path::new("/x/libha.so"), outer)?;
        Ok(variables.into_iter().map(|(name, value)| (name, value.into_string().unwrap())).collect())
    }

    fn compose(arguments: &[&str], outer: &[(&str, &str)]) -> BTreeMap<&'static str, String> {
        try_compose(arguments, outer).unwrap()
    }

    #[test]
    fn our_library_comes_before_those_of_others() {
        for (others, expected) in [
            ("", "/x/libha.so"),
            ("/y/a.so b.so", "/x/libha.so:/y/a.so b.so"),
            ("/x/libha.so", "/x/libha.so"),
            (":/x/libha.so:/y/a.so", ":/x/libha.so:/y/a.so"),
            ("/y/a.so:/x/libha.so", "/x/libha.so:/y/a.so:/x/libha.so"),
        ] {
            assert_eq!(compose(&[], &[("LD_PRELOAD", others)])["LD_PRELOAD"], expected);
        }
        assert_eq!(compose(&[], &[])["LD_PRELOAD"], "/x/libha.so");
    }

    #[test]
    fn without_options_nothing_else_changes() {
        let outer = [("HA_REOPEN", "/a"), ("HA_RECONNECT", "tcp:127.0.0.1:1"), ("HA_REPLAY", "1"), ("HA_LOG", "trace")];
        let variables = compose(&[], &outer);
        assert_eq!(variables.keys().copied().collect::<Vec<_>>(), ["LD_PRELOAD"]);
    }

    #[test]
    fn every_option_has_its_variable() {
        let arguments = "--reopen /mnt-1/** --reopen *.db --reconnect 127.0.0.1:80 --reconnect unix:s --reconnect unix:@n \
             --replay --deadline 1.5 --log debug --log-file log";
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let variables = compose(&arguments, &[("HA_REPLAY", "1"), ("HA_LOG", "off")]);
        let directory = Path::new("/srv").canonicalize().unwrap_or_else(|_| "/srv".into());
        assert_eq!(variables["HA_REOPEN"], format!("/mnt-1/**\n{}/*.db", directory.display()));
        assert_eq!(variables["HA_RECONNECT"], "tcp:127.0.0.1:80\nunix:/srv/s\nunix:@n");
        assert_eq!(variables["HA_REPLAY"], "65536");
        assert_eq!(variables["HA_DEADLINE"], "1500");
        assert_eq!(variables["HA_LOG"], "debug");
        assert_eq!(variables["HA_LOG_FILE"], "/srv/log");
    }

    #[test]
    fn a_log_file_alone_implies_a_level() {
        assert_eq!(compose(&["--log-file", "/l"], &[])["HA_LOG"], "info");
        assert_eq!(compose(&["--log-file", "/l"], &[("HA_LOG", "trace")]).get("HA_LOG"), None);
        assert_eq!(compose(&["--log-file", "/l", "--log", "warn"], &[])["HA_LOG"], "warn");
    }

    #[test]
    fn a_log_file_that_cannot_be_one_is_refused() {
        for bad in ["/", "a\nb"] {
            assert!(matches!(try_compose(&["--log-file", bad], &[]), Err(Error::LogFile { .. })), "{bad:?}");
        }
    }
}
