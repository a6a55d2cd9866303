//! Connections of a model: socket pairs whose far ends the model keeps, and covered calls on them.
//!
//! Descriptors are real, and what an execution asks of the kernel happens at once: loom decides what comes before and
//! after it. Numbers are small, as the model's table is.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::io;
use rustix::net::{SendFlags, send};

use crate::connection::function::{Attempt, Recover, Recovered, RecoveryError};
use crate::connection::{Connection, Membership, Policy};
use crate::kernel::{borrow_number, is_open, place_at, replace};
use crate::recover::{self, Request, TABLE};
use crate::sync::{descriptors_change, step};

/// Where members live: beyond what an execution opens by itself, and within the model's tiny table.
pub(in crate::models) const FIRST: RawFd = 24;
pub(in crate::models) const SECOND: RawFd = 27;
pub(in crate::models) const STRANGER: RawFd = 28;

/// The server of one connection.
pub(in crate::models) struct Server {
    /// The far ends of all connections that were ever made, in their order.
    far: Mutex<Vec<UnixStream>>,
    recoveries: AtomicU32,
    /// How many of the connections there were when one was cut last.
    cut: AtomicUsize,
}

impl Server {
    /// A server, with a covered connection to it under [`FIRST`].
    pub(in crate::models) fn with_client() -> Arc<Self> {
        Self::with_client_at(FIRST, |server| Box::new(Again(server)))
    }

    pub(in crate::models) fn with_client_at(
        number: RawFd,
        function: impl FnOnce(Arc<Self>) -> Box<dyn Recover>,
    ) -> Arc<Self> {
        let server = Arc::new(Self { far: Mutex::default(), recoveries: AtomicU32::new(0), cut: AtomicUsize::new(0) });
        place(number, server.connect());
        let function = function(Arc::clone(&server));
        let attached = recover::attach(&TABLE, number, function, Policy::obedient());
        assert!(attached.is_ok(), "{:?}", attached.err());
        server
    }

    /// A new connection's near end.
    pub(in crate::models) fn connect(&self) -> OwnedFd {
        let (near, far) = UnixStream::pair().expect("there are descriptors");
        far.set_nonblocking(true).expect("it is a socket");
        self.far().push(far);
        near.into()
    }

    /// Cuts the newest connection.
    pub(in crate::models) fn die(&self) {
        let _ = self.cut();
    }

    /// The same. False: it was cut already.
    pub(in crate::models) fn cut(&self) -> bool {
        let far = self.far();
        if let Some(far) = far.last() {
            far.shutdown(std::net::Shutdown::Both).expect("it is a socket");
        }
        self.cut.swap(far.len(), Ordering::Relaxed) != far.len()
    }

    /// How many bytes have come over each connection.
    pub(in crate::models) fn received(&self) -> Vec<usize> {
        self.far().iter().map(arrived).collect()
    }

    pub(in crate::models) fn recoveries(&self) -> u32 {
        self.recoveries.load(Ordering::Relaxed)
    }

    pub(in crate::models) fn recovers(&self) {
        self.recoveries.fetch_add(1, Ordering::Relaxed);
    }

    fn far(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        self.far.lock().expect("nobody panics with it")
    }
}

/// Connects again.
pub(in crate::models) struct Again(pub(in crate::models) Arc<Server>);

impl Recover for Again {
    fn recover(&self, _: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        self.0.recovers();
        step();
        Ok(Recovered::Staged(self.0.connect()))
    }
}

/// A closure as a recovery function.
pub(in crate::models) struct Then<F>(pub(in crate::models) F);

impl<F> Recover for Then<F>
where
    F: Fn(&Attempt<'_>) -> Result<OwnedFd, RecoveryError> + Send + Sync + 'static,
{
    fn recover(&self, attempt: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        (self.0)(attempt).map(Recovered::Staged)
    }
}

/// One byte, written under the covers.
pub(in crate::models) fn write(number: RawFd) -> io::Result<usize> {
    recover::call(&TABLE, number, Request::write(1), plain_write).into()
}

/// One byte, written as without libha.
pub(in crate::models) fn plain_write(number: RawFd) -> io::Result<usize> {
    step();
    send(descriptor(number), b"x", SendFlags::NOSIGNAL)
}

/// A plain dup2 of a member onto `number`, under the covers.
pub(in crate::models) fn duplicate(source: RawFd, number: RawFd) -> io::Result<RawFd> {
    let copy = || {
        replace(descriptor(source), number, true)?;
        Ok(number)
    };
    recover::duplicate(&TABLE, source, Membership::Asked, copy, |_| ())
}

/// dup2 of somebody else's descriptor over a member, as the covers do it.
pub(in crate::models) fn put_over(source: RawFd, number: RawFd) {
    let _ = recover::detach(&TABLE, number);
    assert_eq!(replace(descriptor(source), number, true), Ok(()));
}

/// Closes a member as the covers do, out of the table first and then for the kernel, which gives the number to somebody
/// else at once.
pub(in crate::models) fn close_and_give_to(number: RawFd, stranger: RawFd) {
    let is_late = crate::mutants::is("slot unlinked after the kernel close");
    if !is_late {
        let _ = recover::detach(&TABLE, number);
    }
    close_now(number);
    assert_eq!(place_at(descriptor(stranger), number, true), Ok(true));
    if is_late {
        step();
        let _ = recover::detach(&TABLE, number);
    }
}

/// Puts a descriptor under a number that is free.
pub(in crate::models) fn place(number: RawFd, descriptor: OwnedFd) {
    // What an execution that was cut short has left.
    close_now(number);
    assert_eq!(place_at(descriptor.as_fd(), number, true), Ok(true));
}

/// Another descriptor, whose owner knows nothing of libha; what arrives at its far end is somebody else's bytes.
pub(in crate::models) fn place_stranger(number: RawFd) -> UnixStream {
    let (near, far) = UnixStream::pair().expect("there are descriptors");
    far.set_nonblocking(true).expect("it is a socket");
    place(number, near.into());
    far
}

/// How many bytes have arrived.
pub(in crate::models) fn arrived(far: &UnixStream) -> usize {
    std::io::Read::read(&mut &*far, &mut [0; 64]).unwrap_or(0)
}

/// Whether two numbers stand for one description.
pub(in crate::models) fn are_the_same(one: RawFd, other: RawFd) -> bool {
    crate::kernel::same_description(one, other) == Some(true)
}

pub(in crate::models) fn connection_of(number: RawFd) -> Arc<Connection> {
    TABLE.lookup(number).expect("it is covered").1
}

/// Nothing is open, and every member is settled in the epoch of its gate.
pub(in crate::models) fn assert_at_rest(numbers: &[RawFd]) {
    for number in numbers {
        let (word, connection) = TABLE.lookup(*number).expect("it is covered");
        assert_eq!(connection.gate.look(), (word.epoch(), false));
        assert!(word.is_settled());
    }
}

fn descriptor(number: RawFd) -> BorrowedFd<'static> {
    borrow_number(number).expect("the model's numbers are not negative")
}

/// The model's numbers are nobody else's.
#[allow(unsafe_code)]
fn close_now(number: RawFd) {
    descriptors_change();
    if is_open(number) {
        // SAFETY: it is open, and no value in the model owns it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}
