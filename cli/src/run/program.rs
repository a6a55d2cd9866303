//! Whether libha can be put in front of the C library of a program.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::elf::{self, Image, Target};
use super::privilege::{self, Gain};
use super::script::{self, Line};
use super::search;

/// What runs a file that is neither a program nor a script with a `#!` line: `execvp` falls back to it.
const SHELL: &str = "/bin/sh";

/// How many scripts may interpret each other before the kernel gives up.
const MAX_SCRIPTS: u32 = 5;

/// Why a program is not started.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{}: not found in PATH; give its path when it is elsewhere", name.display())]
    NotFound { name: OsString },
    #[error("{}: there is no such file", path.display())]
    Missing { path: PathBuf },
    #[error("{}: not a file that may be executed; see its permissions, and how its file system is mounted", path.display())]
    NotExecutable { path: PathBuf },
    #[error("{}: cannot be read, to see whether libha can cover it: {source}; make it readable", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: a damaged ELF file: {source}; install it again", path.display())]
    Damaged { path: PathBuf, source: object::Error },
    #[error("{}: an ELF file, but not a program; name the program that it belongs to", path.display())]
    NotProgram { path: PathBuf },
    #[error(
        "{}: statically linked, so that nothing can be loaded in front of its C library. \
         Use a dynamically linked build of it, or link libha into it",
        path.display()
    )]
    Static { path: PathBuf },
    #[error(
        "{}: made for {theirs}, but this libha.so is for {ours}. \
         Use a program for {ours}, or name another libha.so with --lib",
        path.display()
    )]
    OtherTarget { path: PathBuf, theirs: Target, ours: Target },
    #[error(
        "{}: uses the C library behind {}, but libha.so is for glibc. Use a build of the program for glibc",
        path.display(),
        loader.display()
    )]
    OtherLibrary { path: PathBuf, loader: PathBuf },
    #[error(
        "{}: gains {gain} when it starts, and then the loader ignores libha.so. \
         Run `ha run` itself with these rights, for example through sudo",
        path.display()
    )]
    Privileged { path: PathBuf, gain: Gain },
    #[error("more than {MAX_SCRIPTS} scripts interpret each other; the kernel does not execute that")]
    TooManyScripts,
    #[error("{}: runs under {error}", script.display())]
    Interpreter { script: PathBuf, error: Box<Error> },
}

impl Error {
    /// Whether there is nothing to execute, in difference to something that is not executed.
    pub(super) fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Missing { .. } => true,
            Self::Interpreter { error, .. } => error.is_not_found(),
            _ => false,
        }
    }
}

/// Makes sure that a library for `target` will be in front in the program, or in what interprets it.
pub(super) fn check(program: &Path, target: Target, path: Option<&OsStr>) -> Result<(), Error> {
    check_script(program, target, path, 0)
}

fn check_script(program: &Path, target: Target, path: Option<&OsStr>, depth: u32) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable { path: program.into(), source };
    let file = File::open(program).map_err(unreadable)?;
    let head = head(&file).map_err(unreadable)?;
    if head.starts_with(elf::MAGIC) {
        return check_elf(program, file, target);
    }
    if depth == MAX_SCRIPTS {
        return Err(Error::TooManyScripts);
    }
    let below = |interpreter: &OsStr| {
        let interpreter = search::find(interpreter, path)?;
        check_script(&interpreter, target, path, depth + 1)
    };
    let checked = match Line::parse(&head) {
        None => below(OsStr::new(SHELL)),
        Some(line) => below(&in_directory(&line.interpreter)).and_then(|()| match line.behind_env() {
            // What env does not find, it reports itself.
            Some(name) if search::find(&name, path).is_ok() => below(&name),
            _ => Ok(()),
        }),
    };
    checked.map_err(|error| match error {
        Error::TooManyScripts => error,
        error => Error::Interpreter { script: program.into(), error: Box::new(error) },
    })
}

/// The path of an interpreter with the slash that stops a search: the kernel searches nowhere.
fn in_directory(interpreter: &Path) -> OsString {
    if interpreter.as_os_str().as_bytes().contains(&b'/') {
        interpreter.into()
    } else {
        Path::new(".").join(interpreter).into()
    }
}

fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(script::HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn check_elf(path: &Path, file: File, target: Target) -> Result<(), Error> {
    let gain = privilege::gained(&file).map_err(|source| Error::Unreadable { path: path.into(), source })?;
    let image = Image::read(file).map_err(|source| Error::Damaged { path: path.into(), source })?;
    if !image.is_program() {
        return Err(Error::NotProgram { path: path.into() });
    }
    if image.target != target {
        return Err(Error::OtherTarget { path: path.into(), theirs: image.target, ours: target });
    }
    let Some(loader) = image.loader else {
        return Err(Error::Static { path: path.into() });
    };
    if !is_of_glibc(&loader) {
        return Err(Error::OtherLibrary { path: path.into(), loader });
    }
    match gain {
        Some(gain) => Err(Error::Privileged { path: path.into(), gain }),
        None => Ok(()),
    }
}

/// Whether a loader may be glibc's, which is known under any name; others have names of their own.
fn is_of_glibc(loader: &Path) -> bool {
    let name = loader.file_name().unwrap_or_default().as_bytes();
    let others: [&[u8]; 3] = [b"ld-musl-", b"ld-uClibc", b"ld64-uClibc"];
    let is_bionic = name == b"linker" || name == b"linker64";
    !is_bionic && !others.iter().any(|other| name.starts_with(other))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn native() -> Target {
        Image::read(File::open("/bin/true").unwrap()).unwrap().target
    }

    fn write(path: &Path, text: impl AsRef<[u8]>) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Checks a script with this text, in which `@` stands for the directory that it is in, also in PATH.
    fn check_text(text: &str) -> Result<(), Error> {
        let directory = TempDir::new().unwrap();
        let name = directory.path().to_str().unwrap();
        let mut program = fs::read("/bin/true").unwrap();
        // Byte 18 is the low one of e_machine; 0xf3 is RISC-V.
        program[18] = 0xf3;
        write(&directory.path().join("foreign"), program);
        let script = directory.path().join("script");
        write(&script, text.replace('@', name));
        check(&script, native(), Some(OsStr::new(&format!("{name}:/bin:/usr/bin"))))
    }

    #[test]
    fn a_dynamically_linked_program_for_glibc_is_covered() {
        check(Path::new("/bin/true"), native(), None).unwrap();
    }

    #[test]
    fn a_script_is_covered_when_its_interpreter_is() {
        check_text("#!/bin/sh\n").unwrap();
        check_text("no first line: the shell runs it\n").unwrap();
        check_text("").unwrap();
        check_text("#!/usr/bin/env -S sh -e\n").unwrap();
        check_text("#!/usr/bin/env no-such-program-here\n").unwrap();
    }

    #[test]
    fn a_script_is_refused_when_its_interpreter_is() {
        for text in ["#!@/foreign -x\n", "#!/usr/bin/env foreign\n", "#!/usr/bin/env -S foreign -x\n"] {
            let error = check_text(text).unwrap_err();
            assert!(!error.is_not_found());
            let message = error.to_string();
            assert!(message.contains("script: runs under ") && message.contains("RISC-V"), "{message}");
        }
    }

    #[test]
    fn a_script_whose_interpreter_is_missing_counts_as_not_found() {
        let error = check_text("#!/no/such/interpreter\n").unwrap_err();
        assert!(error.is_not_found(), "{error}");
        // The kernel does not search PATH.
        assert!(check_text("#!sh\n").unwrap_err().is_not_found());
    }

    #[test]
    fn a_script_that_interprets_itself_is_refused() {
        let error = check_text("#!@/script\n").unwrap_err();
        assert!(matches!(error, Error::TooManyScripts), "{error}");
    }

    #[test]
    fn an_unreadable_program_is_refused() {
        // A directory can be opened, but not read.
        let error = check(Path::new("/"), native(), None).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    }

    #[test]
    fn loaders_of_other_c_libraries_are_known() {
        for glibc in ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/opt/glibc/ld-2.41.so"] {
            assert!(is_of_glibc(Path::new(glibc)), "{glibc}");
        }
        for other in ["/lib/ld-musl-x86_64.so.1", "/lib/ld64-uClibc.so.0", "/system/bin/linker64"] {
            assert!(!is_of_glibc(Path::new(other)), "{other}");
        }
    }
}
