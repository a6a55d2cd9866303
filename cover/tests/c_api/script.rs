//! Plays operations on the library with real descriptors, and compares each result, and what every number then stands
//! for, with the model.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use rustix::fs::fstat;

use super::library::{Library, RecoveryFunction};
use super::model::{Model, Returned};
use super::operation::{Function, Number, Operation};

/// Numbers that nobody else in this process has.
const POOL: std::ops::Range<RawFd> = 200..203;
const NO_NUMBERS: [RawFd; 3] = [-1, RawFd::MAX, 0x3fff_ffff];
/// Numbers that the kernel has chosen, at most: they are few in the process.
const MOST_COPIES: usize = 3;
/// A command that there is not: its errno tells whether a number is covered, and it changes nothing.
const NO_COMMAND: c_int = 99;

/// A connection that was made: the inode of its near end, and its far end.
struct Made {
    inode: u64,
    far: UnixStream,
}

thread_local! {
    /// All connections that a script has made.
    static MADE: RefCell<Vec<Made>> = const { RefCell::new(Vec::new()) };
    /// How often recovery functions were called.
    static CALLED: Cell<usize> = const { Cell::new(0) };
}

/// Makes the calls, and panics where the library and the model part.
pub(crate) fn check(library: &Library, operations: &[Operation]) {
    // A write that meets the end raises it, and a fuzzer's process does not ignore it.
    // SAFETY: no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    CALLED.set(0);
    MADE.take();
    let mut script = Script { library, model: Model::default(), copies: Vec::new() };
    POOL.for_each(|number| script.connect(number));
    for operation in operations {
        script.happen(*operation);
        script.compare(*operation);
    }
}

struct Script<'a> {
    library: &'a Library,
    model: Model,
    /// Numbers that the kernel has chosen and that are open.
    copies: Vec<RawFd>,
}

impl Script<'_> {
    fn happen(&mut self, operation: Operation) {
        let library = self.library;
        match operation {
            Operation::Connect(number) => self.connect(self.number(number)),
            Operation::Attach(number, function, flags) => {
                let number = self.number(number);
                let handle = ptr::from_ref(library).cast_mut().cast();
                // SAFETY: a recovery function, with the handle that it expects.
                let returned = unsafe { (library.ha_attach)(number, function.pointer(), handle, flags.bits()) };
                assert_eq!(result(returned), self.model.attach(number, function, flags));
            }
            Operation::Detach(number) => {
                let number = self.number(number);
                // SAFETY: a number.
                let returned = unsafe { (library.ha_detach)(number) };
                assert_eq!(result(returned), self.model.detach(number));
            }
            Operation::Control(number, command, limit) => {
                let number = self.number(number);
                // Small enough to be reached: from "unlimited" to 3.
                let limit = limit.rem_euclid(5) - 1;
                let argument = ptr::without_provenance_mut(isize::from(limit).cast_unsigned());
                // SAFETY: an integer in the place of a pointer, which is what is asked for.
                let returned = unsafe { (library.ha_connection_ctrl)(number, command.number(), argument) };
                assert_eq!(result(returned), self.model.control(number, command, limit.into()));
            }
            // SAFETY: a number.
            Operation::HaDup(number) => self.copy(number, false, |number| unsafe { (library.ha_dup)(number) }),
            // SAFETY: a number.
            Operation::Dup(number) => self.copy(number, true, |number| unsafe { (library.dup)(number) }),
            Operation::Dup2(source, target) => {
                let (source, target) = (self.number(source), self.number(target));
                // SAFETY: the target is the script's own, or no number.
                let returned = unsafe { (library.dup2)(source, target) };
                assert_eq!(result(returned), self.model.dup2(source, target, !NO_NUMBERS.contains(&target)));
            }
            // SAFETY: the script's own number.
            Operation::HaClose(number) => self.close(number, |number| unsafe { (library.ha_close)(number) }),
            // SAFETY: the script's own number.
            Operation::Close(number) => self.close(number, |number| unsafe { (library.close)(number) }),
            Operation::Die(number) => {
                if let Some(connection) = self.model.die(self.number(number)) {
                    MADE.with_borrow(|made| made[connection].far.shutdown(Shutdown::Both)).unwrap();
                }
            }
            Operation::Write(number) => {
                let number = self.number(number);
                if !self.model.would_pause_long(number) {
                    assert_eq!(self.write(number), self.model.write(number));
                }
            }
        }
    }

    /// As programs do, again after a signal: a fuzzer's timer ends the pauses between recoveries.
    fn write(&self, number: RawFd) -> Returned {
        loop {
            // SAFETY: one byte.
            let returned = unsafe { (self.library.write)(number, b"x".as_ptr().cast(), 1) };
            match result(returned.try_into().unwrap()) {
                Err(libc::EINTR) => {}
                returned => return returned,
            }
        }
    }

    fn number(&self, Number(choice): Number) -> RawFd {
        let numbers: Vec<_> = if choice < 240 { self.numbers().collect() } else { NO_NUMBERS.into() };
        numbers[usize::from(choice) % numbers.len()]
    }

    fn numbers(&self) -> impl Iterator<Item = RawFd> {
        POOL.chain(self.copies.iter().copied())
    }

    fn connect(&mut self, number: RawFd) {
        if POOL.contains(&number) && !self.model.open.contains_key(&number) {
            let near = connect();
            // SAFETY: nothing is open under this number.
            let placed = unsafe { libc::fcntl(near.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) };
            assert_eq!(placed, number, "the number was not closed");
            self.model.connect(number);
        }
    }

    fn copy(&mut self, number: Number, implied: bool, copy: impl Fn(RawFd) -> c_int) {
        let number = self.number(number);
        if self.copies.len() == MOST_COPIES {
            return;
        }
        let returned = result(copy(number));
        if let Some(errno) = self.model.refuses_copy(number, implied) {
            return assert_eq!(returned, Err(errno));
        }
        let copied = returned.unwrap();
        assert!(self.numbers().all(|number| number != copied), "{copied} is not free");
        self.copies.push(copied);
        self.model.copy(number, copied, implied);
    }

    fn close(&mut self, number: Number, close: impl Fn(RawFd) -> c_int) {
        let number = self.number(number);
        assert_eq!(result(close(number)), self.model.close(number));
        // The process may be given it for something else now.
        self.copies.retain(|copy| *copy != number);
    }

    /// Each number stands for what the model says, and is covered if the model says so.
    fn compare(&self, after: Operation) {
        assert_eq!(CALLED.get(), self.model.called, "calls of recovery functions after {after:?}");
        for number in self.numbers().chain(NO_NUMBERS) {
            // SAFETY: a number.
            let returned = unsafe { (self.library.ha_connection_ctrl)(number, NO_COMMAND, ptr::null_mut()) };
            let expected = if self.model.is_covered(number) { libc::EINVAL } else { libc::EBADF };
            assert_eq!(result(returned), Err(expected), "{number} after {after:?}");
            let expected =
                self.model.open.get(&number).map(|connection| MADE.with_borrow(|made| made[*connection].inode));
            assert_eq!(inode_under(number), expected, "{number} after {after:?}");
        }
    }
}

impl Drop for Script<'_> {
    fn drop(&mut self) {
        for number in self.model.open.keys() {
            // SAFETY: the script's own number.
            unsafe { (self.library.ha_close)(*number) };
        }
    }
}

impl Function {
    fn pointer(self) -> RecoveryFunction {
        match self {
            Self::Again => Some(again),
            Self::MinusOne => Some(minus_one),
            Self::Another => Some(another),
            Self::Liar => Some(liar),
            Self::Missing => None,
        }
    }
}

extern "C-unwind" fn again(number: c_int, library: *mut c_void) -> c_int {
    CALLED.set(CALLED.get() + 1);
    // SAFETY: every function is attached with this handle, and the library stays.
    let library = unsafe { &*library.cast::<Library>() };
    // SAFETY: the number that is to be repaired.
    unsafe { (library.dup2)(connect().as_raw_fd(), number) }
}

extern "C-unwind" fn minus_one(_: c_int, _: *mut c_void) -> c_int {
    CALLED.set(CALLED.get() + 1);
    -1
}

extern "C-unwind" fn another(number: c_int, _: *mut c_void) -> c_int {
    CALLED.set(CALLED.get() + 1);
    number + 1
}

extern "C-unwind" fn liar(number: c_int, _: *mut c_void) -> c_int {
    CALLED.set(CALLED.get() + 1);
    number
}

/// A new connection's near end.
fn connect() -> OwnedFd {
    let (near, far) = UnixStream::pair().unwrap();
    let inode = fstat(&near).unwrap().st_ino;
    MADE.with_borrow_mut(|made| made.push(Made { inode, far }));
    near.into()
}

fn inode_under(number: RawFd) -> Option<u64> {
    // SAFETY: not -1; whether it is open is what is asked.
    let descriptor = (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })?;
    fstat(descriptor.as_fd()).ok().map(|stat| stat.st_ino)
}

fn result(returned: c_int) -> Returned {
    if returned == -1 { Err(io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(returned) }
}
