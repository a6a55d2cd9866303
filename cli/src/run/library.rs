//! Where libha.so is.

use std::env;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};

use super::elf::{Image, Target};

/// What the library may be called; an installation for use only has the second name.
const NAMES: [&str; 2] = ["libha.so", "libha.so.1"];

/// A libha.so that can be put in front.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) path: PathBuf,
    pub(super) target: Target,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "libha.so was not found. Build it with `cargo build --release -p ha-cover`, \
         or say where it is with --lib. These places were tried:{}",
        list(tried)
    )]
    NotFound { tried: Vec<PathBuf> },
    #[error("{}: cannot be read: {source}; give the path of libha.so to --lib", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: not a shared library; give the path of libha.so to --lib", path.display())]
    NotLibrary { path: PathBuf },
    #[error(
        "{}: a path with a colon, a dollar sign or white space cannot be given to the loader (LD_PRELOAD). \
         Move or link the library to another directory, and name that with --lib",
        path.display()
    )]
    Unspeakable { path: PathBuf },
    #[error("cannot tell where this program is: {0}; give the path of libha.so to --lib")]
    Lost(#[source] io::Error),
}

impl Library {
    /// The library at a given path, or else the one that belongs to this executable.
    pub(super) fn find(given: Option<&Path>) -> Result<Self, Error> {
        match given {
            Some(path) => Self::open(path),
            None => {
                let executable = env::current_exe().map_err(Error::Lost)?;
                Self::open(&first_of(candidates(&executable))?)
            }
        }
    }

    fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable { path: path.into(), source };
        let absolute = path::absolute(path).map_err(unreadable)?;
        let file = File::open(&absolute).map_err(unreadable)?;
        let image = Image::read(file).ok().filter(Image::is_library);
        let Some(image) = image else {
            return Err(Error::NotLibrary { path: absolute });
        };
        if absolute.as_os_str().as_bytes().iter().any(|byte| b":$".contains(byte) || byte.is_ascii_whitespace()) {
            return Err(Error::Unspeakable { path: absolute });
        }
        Ok(Self { path: absolute, target: image.target })
    }
}

fn first_of(candidates: Vec<PathBuf>) -> Result<PathBuf, Error> {
    match candidates.iter().find(|candidate| candidate.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(Error::NotFound { tried: candidates }),
    }
}

/// Where the library of an executable may be: beside it as Cargo builds them, then where `make install` puts it.
fn candidates(executable: &Path) -> Vec<PathBuf> {
    let beside = executable.parent().unwrap_or_else(|| Path::new("/"));
    // Cargo keeps some executables one level below the libraries.
    let build = if beside.ends_with("deps") { beside.parent() } else { None };
    let prefix = beside.parent().unwrap_or_else(|| Path::new("/"));
    let multiarch = format!("lib/{}-linux-gnu", env::consts::ARCH);
    let installed = ["lib", &multiarch, "lib64"].map(|directory| prefix.join(directory));
    let directories = [Some(beside), build].into_iter().flatten().map(Path::to_owned).chain(installed);
    directories.flat_map(|directory| NAMES.map(|name| directory.join(name))).collect()
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("\n  {}", path.display())).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// Makes a directory in which these files are, all of them empty.
    fn with_files(names: &[&str]) -> TempDir {
        let directory = TempDir::new().unwrap();
        for name in names {
            let file = directory.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        directory
    }

    fn found(directory: &TempDir, executable: &str) -> Option<String> {
        let found = first_of(candidates(&directory.path().join(executable))).ok()?;
        Some(found.strip_prefix(directory.path()).unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn the_library_beside_the_executable_comes_first() {
        let directory = with_files(&["release/libha.so", "lib/libha.so"]);
        assert_eq!(found(&directory, "release/ha").as_deref(), Some("release/libha.so"));
        assert_eq!(found(&directory, "release/deps/ha-123").as_deref(), Some("release/libha.so"));
    }

    #[test]
    fn an_installed_library_is_found_from_the_executable() {
        let multiarch = format!("lib/{}-linux-gnu/libha.so.1", env::consts::ARCH);
        for installed in ["lib/libha.so.1", "lib64/libha.so", &multiarch] {
            assert_eq!(found(&with_files(&[installed]), "bin/ha").as_deref(), Some(installed));
        }
    }

    #[test]
    fn without_library_every_place_is_named() {
        let tried = candidates(Path::new("/opt/ha/bin/ha"));
        let message = first_of(tried).unwrap_err().to_string();
        for place in ["/opt/ha/bin/libha.so", "/opt/ha/lib/libha.so.1", "cargo build --release -p ha-cover", "--lib"] {
            assert!(message.contains(place), "{message}");
        }
    }

    #[test]
    fn a_path_that_the_loader_would_cut_is_refused() {
        let loader = Image::read(File::open("/bin/true").unwrap()).unwrap().loader.unwrap();
        for name in ["a:b.so", "a b.so", "a\tb.so", "$ORIGIN.so"] {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join(name);
            fs::copy(&loader, &path).unwrap();
            assert!(matches!(Library::open(&path), Err(Error::Unspeakable { .. })), "{name}");
        }
    }

    #[test]
    fn what_is_no_shared_library_is_refused() {
        assert!(matches!(Library::open(Path::new("/etc/passwd")), Err(Error::NotLibrary { .. })));
        assert!(matches!(Library::open(Path::new("/")), Err(Error::NotLibrary { .. })));
        assert!(matches!(Library::open(Path::new("/no/such/libha.so")), Err(Error::Unreadable { .. })));
    }
}
