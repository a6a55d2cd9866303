//! libha.so in the drill's own process: how it gets in front of libc, and the functions that it adds.
//!
//! A preloaded library has to be there when a program starts. So a drill that is asked for plain libc calls starts
//! itself anew, under the same process id, unless it finds libha.so in place.
//!
//! # Safety
//!
//! The types of the functions are those that libha's headers declare.
#![allow(unsafe_code)]

use std::env;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

/// What the loader is told to load first.
pub(crate) const PRELOAD: &str = "LD_PRELOAD";

/// What `ha_coverage` has to say: that calls of libc's functions by this program reach libha, and what streams do, too.
const COVERS_CALLS: c_uint = 0x1;
const COVERS_STDIO: c_uint = 0x2;

/// A recovery function, as C knows it.
pub(super) type RecoveryFunction = unsafe extern "C-unwind" fn(c_int, *mut c_void) -> c_int;

/// The functions of libha.so that the drill calls.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) attach: unsafe extern "C-unwind" fn(c_int, Option<RecoveryFunction>, *mut c_void, c_uint) -> c_int,
    pub(super) close: unsafe extern "C-unwind" fn(c_int) -> c_int,
    pub(super) dup: unsafe extern "C-unwind" fn(c_int) -> c_int,
    pub(super) reopen: unsafe extern "C-unwind" fn(c_int, *const c_char, c_int, ...) -> c_int,
    coverage: unsafe extern "C-unwind" fn() -> c_uint,
}

/// Why the drill cannot call libc through libha.so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// It was preloaded, and is not there.
    #[error(
        "{PRELOAD} names libha.so, but it is not loaded: use a dynamically linked `ha` and a libha.so of its version"
    )]
    Absent,
    /// It is there, and calls do not reach it.
    #[error("libha.so is loaded, but other libraries are in front of it: take them out of {PRELOAD}")]
    Behind,
    /// It is there, and streams do not reach it.
    #[error("libha.so cannot cover the streams (stdio) of this libc, which the drill uses")]
    NoStreams,
    /// The drill cannot start itself anew.
    #[error("the drill could not be started with libha.so in front of libc: {0}")]
    Start(#[from] io::Error),
}

/// Makes sure that libha.so is in front of libc. When it is not, `ha run` takes the place of this process and starts the
/// same drill again.
pub(crate) fn load() -> Result<(), LibraryError> {
    match Library::loaded().map(Library::coverage) {
        Some(coverage) if coverage & COVERS_CALLS == 0 => Err(LibraryError::Behind),
        Some(coverage) if coverage & COVERS_STDIO == 0 => Err(LibraryError::NoStreams),
        Some(_) => Ok(()),
        None if is_preloaded() => Err(LibraryError::Absent),
        None => {
            let program = env::current_exe()?;
            Err(Command::new(&program).args(["run", "--"]).arg(&program).args(env::args_os().skip(1)).exec().into())
        }
    }
}

/// Whether the loader was told to load the library.
fn is_preloaded() -> bool {
    env::var(PRELOAD).is_ok_and(|names| names.contains("libha.so"))
}

impl Library {
    /// The library, if it is loaded.
    pub(super) fn loaded() -> Option<&'static Self> {
        static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
        LIBRARY.get_or_init(Self::look_up).as_ref()
    }

    fn look_up() -> Option<Self> {
        Some(Self {
            // SAFETY: see the top of this file.
            attach: unsafe { function(c"ha_attach") }?,
            // SAFETY: see the top of this file.
            close: unsafe { function(c"ha_close") }?,
            // SAFETY: see the top of this file.
            dup: unsafe { function(c"ha_dup") }?,
            // SAFETY: see the top of this file.
            reopen: unsafe { function(c"ha_reopen") }?,
            // SAFETY: see the top of this file.
            coverage: unsafe { function(c"ha_coverage") }?,
        })
    }

    fn coverage(&self) -> c_uint {
        // SAFETY: see the top of this file.
        unsafe { (self.coverage)() }
    }
}

/// The function of this name, if there is one.
///
/// # Safety
///
/// `F` is a pointer to functions of its type.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: the name ends with a zero byte.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: the sizes are the same, and the caller vouches for the type.
    (!address.is_null()).then(|| unsafe { std::mem::transmute_copy(&address) })
}
