//! Building what is under test: the library, the command, and programs in C that use them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{create_dir_all, rename};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

pub(crate) use super::subject::SONAME;
use super::subject::{FILE, FLAGS, PACKAGE, SOURCES};

/// The package's directory.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The library, built once in each test process.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| built(PACKAGE, FILE))
}

/// The directory in which the loader finds the library, under the name that programs ask for.
pub(crate) fn library_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = scratch().join("lib");
        create_dir_all(&directory).unwrap();
        let fresh = directory.join(std::process::id().to_string());
        symlink(library(), &fresh).unwrap();
        rename(fresh, directory.join(SONAME)).unwrap();
        directory
    })
}

/// The `ha` command, built once in each test process.
pub(crate) fn ha() -> &'static Path {
    static HA: OnceLock<PathBuf> = OnceLock::new();
    HA.get_or_init(|| built("ha-cli", "ha"))
}

/// Builds a package in the profile and the target directory of this test, and returns what that has made.
fn built(package_name: &str, artifact: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    // target/<profile>/deps/<test>
    let directory = this.ancestors().nth(2).unwrap();
    let profile = match directory.file_name().and_then(|name| name.to_str()).unwrap() {
        "debug" => "dev",
        other => other,
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", package_name, "--profile", profile, "--target-dir"])
        .arg(directory.parent().unwrap())
        .current_dir(package())
        .status()
        .unwrap();
    assert!(status.success(), "{package_name} cannot be built");
    directory.join(artifact)
}

/// The flags with which a program is linked to the library, as `pkg-config --libs` prints them.
pub(crate) fn linked() -> Vec<OsString> {
    let mut directory = OsString::from("-L");
    directory.push(library().parent().unwrap());
    let mut flags = vec![directory];
    flags.extend(FLAGS.map(OsString::from));
    flags
}

/// The flags of a library that can be preloaded.
pub(crate) fn shared() -> Vec<OsString> {
    ["-shared", "-fPIC"].map(OsString::from).into()
}

/// Compiles one of the tests' own C programs, and returns it; once in each test process.
pub(crate) fn compile(source: &str, flags: &[OsString]) -> PathBuf {
    type Made = HashMap<(String, Vec<OsString>), PathBuf>;
    static MADE: Mutex<Option<Made>> = Mutex::new(None);
    // Held while compiling: the second one who wants the same program waits for it.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = made.get_or_insert_default().entry((source.to_owned(), flags.to_vec()));
    entry
        .or_insert_with_key(|key| {
            let program =
                scratch().join(format!("{source}-{:x}", BuildHasherDefault::<DefaultHasher>::default().hash_one(key)));
            let strict = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-result", "-O1", "-g"];
            let flags: Vec<_> = strict.map(OsString::from).into_iter().chain(flags.iter().cloned()).collect();
            let fresh = program.with_extension(std::process::id().to_string());
            compile_to(&fresh, &source_of(source), &flags);
            rename(fresh, &program).unwrap();
            program
        })
        .clone()
}

/// One of the tests' own C programs.
fn source_of(name: &str) -> PathBuf {
    let mut places = SOURCES.iter().map(|directory| package().join(directory).join(name));
    places.find(|path| path.exists()).unwrap_or_else(|| panic!("there is no {name} in {SOURCES:?}"))
}

/// Compiles any C source.
pub(crate) fn compile_to(program: &Path, source: &Path, flags: &[OsString]) {
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.arg(source).args(flags).arg("-o").arg(program);
    for directory in SOURCES.iter().chain(&["include"]) {
        compiler.arg("-I").arg(package().join(directory));
    }
    let output = compiler.output().unwrap_or_else(|why| panic!("{compiler:?}: {why}; the tests need a C compiler"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not compile:\n{complaint}", source.display());
}

/// A directory that the next run of this test uses again.
fn scratch() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
    create_dir_all(&directory).unwrap();
    directory
}
