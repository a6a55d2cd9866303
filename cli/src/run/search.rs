//! Which file a program name means, as `execvp` finds it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::program::Error;

/// Where the C library searches when there is no PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The file to execute for `name`, which is searched for in `path` unless it has a slash.
pub(super) fn find(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Error> {
    if name.as_bytes().contains(&b'/') {
        return match judge(Path::new(name)) {
            Verdict::Absent => Err(Error::Missing { path: name.into() }),
            Verdict::Forbidden => Err(Error::NotExecutable { path: name.into() }),
            Verdict::Executable => Ok(name.into()),
        };
    }
    let mut forbidden = None;
    let directories = path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH)).as_bytes().split(|byte| *byte == b':');
    for directory in directories.filter(|_| !name.is_empty()) {
        // An empty entry means the current directory; the dot keeps the slash that stops further searching.
        let directory = if directory.is_empty() { b"." } else { directory };
        let file = Path::new(OsStr::from_bytes(directory)).join(name);
        match judge(&file) {
            Verdict::Executable => return Ok(file),
            Verdict::Forbidden => forbidden = forbidden.or(Some(file)),
            Verdict::Absent => {}
        }
    }
    Err(match forbidden {
        Some(path) => Error::NotExecutable { path },
        None => Error::NotFound { name: name.into() },
    })
}

enum Verdict {
    Executable,
    Forbidden,
    Absent,
}

fn judge(file: &Path) -> Verdict {
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => return Verdict::Absent,
        _ => return Verdict::Forbidden,
    }
    match accessat(CWD, file, Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => Verdict::Executable,
        Err(_) => Verdict::Forbidden,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn with_files(modes: &[(&str, u32)]) -> TempDir {
        let directory = TempDir::new().unwrap();
        for (name, mode) in modes {
            let file = directory.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(*mode)).unwrap();
        }
        directory
    }

    fn search(directory: &TempDir, path: &str, name: &str) -> Result<PathBuf, Error> {
        let path = path.replace('@', directory.path().to_str().unwrap());
        find(OsStr::new(name), Some(OsStr::new(&path)))
    }

    #[test]
    fn the_first_executable_file_wins() {
        let directory = with_files(&[("a/tool", 0o644), ("b/tool", 0o755), ("c/tool", 0o755)]);
        fs::create_dir_all(directory.path().join("0/tool")).unwrap();
        let found = search(&directory, "/nonexistent:@/0:@/a:@/b:@/c", "tool").unwrap();
        assert_eq!(found, directory.path().join("b/tool"));
    }

    #[test]
    fn a_file_that_may_not_be_executed_is_told_from_none() {
        let directory = with_files(&[("a/tool", 0o644)]);
        assert!(matches!(search(&directory, "@/a:@/b", "tool"), Err(Error::NotExecutable { .. })));
        assert!(matches!(search(&directory, "@/a:@/b", "other"), Err(Error::NotFound { .. })));
        assert!(matches!(search(&directory, "@/a", ""), Err(Error::NotFound { .. })));
    }

    #[test]
    fn a_name_with_a_slash_is_not_searched_for() {
        let directory = with_files(&[("a/tool", 0o755)]);
        assert!(matches!(search(&directory, "@", "a/tool"), Err(Error::Missing { .. })));
        let whole = directory.path().join("a/tool");
        assert_eq!(search(&directory, "", whole.to_str().unwrap()).unwrap(), whole);
        let parent = directory.path().to_str().unwrap();
        assert!(matches!(search(&directory, "", parent), Err(Error::NotExecutable { .. })));
    }

    #[test]
    fn without_path_the_system_directories_are_searched() {
        assert!(find(OsStr::new("true"), None).unwrap().ends_with("bin/true"));
    }
}
