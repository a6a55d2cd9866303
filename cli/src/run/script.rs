//! The `#!` line of a script, read as the kernel reads it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// How much of a file the kernel looks at to find out what it is.
pub(super) const HEAD: usize = 256;

/// What a `#!` line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) interpreter: PathBuf,
    /// All that follows the interpreter, as one.
    argument: Option<OsString>,
}

impl Line {
    /// Reads the line at the start of a file; `None` when the kernel would not take it for one.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let text = head.strip_prefix(b"#!")?;
        let line = match text.iter().position(|byte| *byte == b'\n') {
            Some(end) => &text[..end],
            None => whole_name(text, head.len())?,
        };
        let line = trim(line);
        let end = line.iter().position(|byte| is_blank(*byte) || *byte == 0).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        if name.is_empty() {
            return None;
        }
        let rest = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        let argument = Some(trim(rest)).filter(|rest| !rest.is_empty());
        Some(Self {
            interpreter: PathBuf::from(OsStr::from_bytes(name)),
            argument: argument.map(|argument| OsStr::from_bytes(argument).to_owned()),
        })
    }

    /// The name that `env` is going to search for in PATH when the line is `#!/usr/bin/env name`.
    ///
    /// A best effort: options of `env` are passed over, those that take a value of their own are not known.
    pub(super) fn behind_env(&self) -> Option<OsString> {
        if self.interpreter.file_name() != Some(OsStr::new("env")) {
            return None;
        }
        let argument = self.argument.as_deref()?.as_bytes();
        // Without -S, env gets the whole rest of the line as one name, with its blanks.
        let split = argument.strip_prefix(b"-S").or_else(|| argument.strip_prefix(b"--split-string="));
        let name = match split {
            None => argument,
            Some(words) => words
                .split(|byte| is_blank(*byte))
                .find(|word| !(word.is_empty() || word.starts_with(b"-") || word.contains(&b'=')))?,
        };
        Some(OsStr::from_bytes(name).to_owned())
    }
}

/// A line without an end: the file is short, or the line is cut off, which must not hit the interpreter's name.
fn whole_name(text: &[u8], head: usize) -> Option<&[u8]> {
    if head < HEAD {
        return Some(text);
    }
    let text = &text[..text.len() - 1];
    let start = text.iter().position(|byte| !is_blank(*byte))?;
    text[start..].iter().any(|byte| is_blank(*byte) || *byte == 0).then_some(text)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = line
        && is_blank(*first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && is_blank(*last)
    {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Option<(String, Option<String>)> {
        let line = Line::parse(head.as_bytes())?;
        let argument = line.argument.map(|argument| argument.into_string().unwrap());
        Some((line.interpreter.to_str().unwrap().to_owned(), argument))
    }

    fn env(line: &str) -> Option<String> {
        Line::parse(line.as_bytes()).unwrap().behind_env().map(|name| name.into_string().unwrap())
    }

    #[test]
    fn the_interpreter_ends_at_the_first_blank_and_the_rest_is_one_argument() {
        assert_eq!(parse("#!/bin/sh\nexit"), Some(("/bin/sh".into(), None)));
        assert_eq!(parse("#! \t/bin/awk  -v x -f \t\n"), Some(("/bin/awk".into(), Some("-v x -f".into()))));
    }

    #[test]
    fn a_line_needs_no_end_when_the_file_ends() {
        assert_eq!(parse("#!/bin/sh"), Some(("/bin/sh".into(), None)));
    }

    #[test]
    fn a_line_without_interpreter_is_none() {
        for head in ["", "#", "#!", "#!\n/bin/sh", "#!   \n", "echo hello\n", " #!/bin/sh\n"] {
            assert_eq!(parse(head), None, "{head:?}");
        }
    }

    #[test]
    fn a_name_that_is_cut_off_is_not_believed() {
        let long = format!("#!/{}", "x".repeat(HEAD - 3));
        assert_eq!(parse(&long), None);
        let only_the_argument = format!("#!/bin/sh {}", "x".repeat(HEAD - 10));
        assert_eq!(parse(&only_the_argument).unwrap().0, "/bin/sh");
    }

    #[test]
    fn the_program_behind_env_is_known() {
        assert_eq!(env("#!/usr/bin/env python3\n").as_deref(), Some("python3"));
        assert_eq!(env("#!/usr/bin/env -S python3 -u\n").as_deref(), Some("python3"));
        assert_eq!(env("#!/usr/bin/env -Spython3 -u\n").as_deref(), Some("python3"));
        assert_eq!(env("#!/usr/bin/env --split-string=python3 -u\n").as_deref(), Some("python3"));
        assert_eq!(env("#!/usr/bin/env -S -i A=b perl\n").as_deref(), Some("perl"));
        assert_eq!(env("#!/usr/bin/env\n"), None);
        assert_eq!(env("#!/bin/sh python3\n"), None);
    }
}
