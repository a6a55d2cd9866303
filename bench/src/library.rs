//! libha.so, loaded beside libc: its covers and libc's own functions are called in turn by one process.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_uint, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;

use libc::{size_t, ssize_t};
use libloading::os::unix::Library as Handle;

type Read = unsafe extern "C-unwind" fn(c_int, *mut c_void, size_t) -> ssize_t;
type Write = unsafe extern "C-unwind" fn(c_int, *const c_void, size_t) -> ssize_t;
type OfNumber = unsafe extern "C-unwind" fn(c_int) -> c_int;
type Recover = unsafe extern "C" fn(c_int, *mut c_void) -> c_int;
type Attach = unsafe extern "C" fn(c_int, Option<Recover>, *mut c_void, c_uint) -> c_int;

/// The calls that are compared, as somebody offers them.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    read: Read,
    write: Write,
    dup: OfNumber,
    close: OfNumber,
}

impl Calls {
    fn of(handle: &Handle) -> io::Result<Self> {
        Ok(Self {
            read: symbol(handle, "read")?,
            write: symbol(handle, "write")?,
            dup: symbol(handle, "dup")?,
            close: symbol(handle, "close")?,
        })
    }

    /// libc's own.
    ///
    /// # Errors
    ///
    /// When libc has no such functions.
    pub fn libc() -> io::Result<Self> {
        Self::of(&Handle::this())
    }

    /// read(2): bytes, or -1.
    #[inline]
    #[must_use]
    pub fn read(&self, number: RawFd, buffer: &mut [u8]) -> isize {
        // SAFETY: the buffer is as long as it says.
        unsafe { (self.read)(number, buffer.as_mut_ptr().cast(), buffer.len()) }
    }

    /// write(2): bytes, or -1.
    #[inline]
    #[must_use]
    pub fn write(&self, number: RawFd, bytes: &[u8]) -> isize {
        // SAFETY: the bytes are as many as it says.
        unsafe { (self.write)(number, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// dup(2) and close(2) of what that has made.
    ///
    /// # Errors
    ///
    /// Those of dup(2).
    #[inline]
    pub fn dup_and_close(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: any number may be copied.
        let copy = checked(unsafe { (self.dup)(descriptor.as_raw_fd()) })?;
        // SAFETY: it was made above, and nobody else knows it.
        checked(unsafe { (self.close)(copy) }).map(drop)
    }
}

/// libha.so.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// The covers.
    pub covers: Calls,
    attach: Attach,
    detach: OfNumber,
}

impl Library {
    /// Loads the library from here. stdio's slots are patched from now on; the process's own calls stay libc's.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded, or is not libha.
    pub fn load(path: &Path) -> io::Result<Self> {
        // SAFETY: libha's constructor may run in any process, at any time.
        let handle = unsafe { Handle::new(path) }.map_err(io::Error::other)?;
        // libha is never unloaded, and so its handle is not closed.
        let handle = Box::leak(Box::new(handle));
        Ok(Self {
            covers: Calls::of(handle)?,
            attach: symbol(handle, "ha_attach")?,
            detach: symbol(handle, "ha_detach")?,
        })
    }

    /// Builds the library as it is released, and loads it.
    ///
    /// # Errors
    ///
    /// When it cannot be built or loaded.
    pub fn built() -> io::Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--package", "ha-cover"])
            .current_dir(&workspace)
            .status()?;
        if !status.success() {
            return Err(io::Error::other("libha.so cannot be built"));
        }
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        Self::load(&target.join("release/libha.so"))
    }

    /// Covers a descriptor, with a recovery function that never recovers.
    ///
    /// # Errors
    ///
    /// Those of `ha_attach`.
    pub fn attach(&self, descriptor: OwnedFd) -> io::Result<Attached> {
        // SAFETY: the function ignores its argument.
        checked(unsafe { (self.attach)(descriptor.as_raw_fd(), Some(never), ptr::null_mut(), 0) })?;
        Ok(Attached { library: *self, descriptor: Some(descriptor) })
    }
}

/// A descriptor that is covered by the C library until it is dropped.
#[derive(Debug)]
pub struct Attached {
    library: Library,
    descriptor: Option<OwnedFd>,
}

impl Attached {
    /// Its number.
    #[inline]
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.descriptor.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// `ha_detach`: an ordinary descriptor again.
    ///
    /// # Errors
    ///
    /// Those of `ha_detach`.
    pub fn detach(mut self) -> io::Result<OwnedFd> {
        // SAFETY: any number may be asked to leave.
        checked(unsafe { (self.library.detach)(self.number()) })?;
        self.descriptor.take().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl AsFd for Attached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open as long as `self`, and never -1: it is taken by who takes `self`.
        unsafe { BorrowedFd::borrow_raw(self.number()) }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(descriptor) = self.descriptor.take() {
            // SAFETY: it is ours, and closed by the cover, which takes it out of the table.
            unsafe { (self.library.covers.close)(descriptor.into_raw_fd()) };
        }
    }
}

fn symbol<T: Copy>(handle: &Handle, name: &str) -> io::Result<T> {
    // SAFETY: the types above are those of libha's and libc's headers.
    let found = unsafe { handle.get::<T>(name.as_bytes()) };
    Ok(*found.map_err(io::Error::other)?)
}

fn checked(returned: c_int) -> io::Result<c_int> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

unsafe extern "C" fn never(_: c_int, _: *mut c_void) -> c_int {
    -1
}

/// A stream of C's stdio, closed when it is dropped.
#[derive(Debug)]
pub struct Stream(*mut libc::FILE);

impl Stream {
    /// `fdopen`; `buffered` or, as after `setvbuf(_IONBF)`, not.
    ///
    /// # Errors
    ///
    /// Those of fdopen(3).
    pub fn open(descriptor: OwnedFd, mode: &std::ffi::CStr, buffered: bool) -> io::Result<Self> {
        let number = descriptor.into_raw_fd();
        // SAFETY: the mode is a string, and the number is the stream's from now on.
        let stream = unsafe { libc::fdopen(number, mode.as_ptr()) };
        if stream.is_null() {
            let why = io::Error::last_os_error();
            // SAFETY: it came from a descriptor that was owned, and nobody has taken it.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
            return Err(why);
        }
        if !buffered {
            // SAFETY: the stream is open, and nothing has been done with it.
            unsafe { libc::setvbuf(stream, ptr::null_mut(), libc::_IONBF, 0) };
        }
        Ok(Self(stream))
    }

    /// `fputc`: the byte, or -1.
    #[must_use]
    pub fn put_byte(&self, byte: u8) -> i32 {
        // SAFETY: the stream is open.
        unsafe { libc::fputc(byte.into(), self.0) }
    }

    /// `fwrite`, and `fflush`: bytes.
    #[must_use]
    pub fn write(&self, bytes: &[u8]) -> usize {
        // SAFETY: the bytes are as many as it says, and the stream is open.
        let written = unsafe { libc::fwrite(bytes.as_ptr().cast(), 1, bytes.len(), self.0) };
        // SAFETY: the stream is open.
        unsafe { libc::fflush(self.0) };
        written
    }

    /// `fgets`: whether a line has come.
    #[must_use]
    pub fn get_line(&self, room: &mut [u8]) -> bool {
        let size = c_int::try_from(room.len()).unwrap_or(c_int::MAX);
        // SAFETY: the room is as large as it says, and the stream is open.
        !unsafe { libc::fgets(room.as_mut_ptr().cast(), size, self.0) }.is_null()
    }

    /// `rewind`.
    pub fn rewind(&self) {
        // SAFETY: the stream is open.
        unsafe { libc::rewind(self.0) };
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody uses it any more.
        unsafe { libc::fclose(self.0) };
    }
}
