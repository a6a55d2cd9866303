//! A directory that looks as if `ha` were installed in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Says that it is there, on standard error, before the program's `main`.
const LIBRARY: &str = r#"
#include <unistd.h>
__attribute__((constructor)) static void arrive(void) { (void)!write(2, "[in front]\n", 11); }
"#;

/// A directory with a copy of `ha`, a library beside it and room for programs, open to all users.
pub(crate) struct Installation {
    directory: TempDir,
}

impl Installation {
    pub(crate) fn new() -> Self {
        let installation = Self { directory: TempDir::new().unwrap() };
        fs::set_permissions(installation.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        copy(Path::new(env!("CARGO_BIN_EXE_ha")), &installation.path("ha"));
        installation.compile("libha.so", LIBRARY, &["-shared", "-fPIC"]);
        installation
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn compile(&self, name: &str, source: &str, options: &[&str]) -> PathBuf {
        let file = self.path(&format!("{name}.c"));
        fs::write(&file, source).unwrap();
        let path = self.path(name);
        let compiled = Command::new("cc").arg("-o").arg(&path).arg(&file).args(options).status().unwrap();
        assert!(compiled.success(), "cc is needed, and must be able to build {name} with {options:?}");
        path
    }

    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let source = self.path(&format!("{name}.text"));
        fs::write(&source, text).unwrap();
        copy(&source, &path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// `ha run` with these arguments, in a clean environment.
    pub(crate) fn ha<Argument: AsRef<OsStr>>(&self, arguments: &[Argument]) -> Command {
        let mut command = Command::new(self.path("ha"));
        command.arg("run").args(arguments).env_clear().env("PATH", "/bin:/usr/bin").current_dir(self.path(""));
        command
    }

    /// Runs `ha run -- program`, expects that it is refused with this status, and returns what it says.
    pub(crate) fn refused(&self, program: &Path, status: i32) -> String {
        let output = self.ha(&["--".as_ref(), program.as_os_str()]).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.starts_with("ha: ") && said.lines().count() == 1, "{said}");
        assert!(output.stdout.is_empty());
        said
    }
}

/// Copies a file in another process.
///
/// A child of this one, started meanwhile, would hold the copy open for writing, and then it cannot be executed.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The exit status, what was printed and what was complained about.
pub(crate) fn outcome(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
