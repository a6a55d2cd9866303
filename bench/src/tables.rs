//! Tables of numbers: libha's, and what one would use instead.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use ha_core::number::{self, Policy};
use ha_core::{Attempt, Recover, Recovered, RecoveryError};

/// What a table knows of a number: shared, as a connection is by its members.
type Entry = Arc<RawFd>;

/// A table in which each call looks its number up.
pub trait Numbers: Sync {
    /// What it is called.
    const NAME: &'static str;
    /// An empty table for numbers up to this one.
    fn up_to(highest: RawFd) -> Self;
    /// Adds a number, which is open.
    ///
    /// # Errors
    ///
    /// When it cannot be added.
    fn put(&self, number: RawFd) -> io::Result<()>;
    /// Whether the number is in the table, found out as before a call: with the entry in hand.
    fn has(&self, number: RawFd) -> bool;
}

/// libha's table: the word of the number.
#[derive(Debug)]
pub struct Words;

impl Numbers for Words {
    const NAME: &'static str = "libha";

    fn up_to(_: RawFd) -> Self {
        Self
    }

    fn put(&self, number: RawFd) -> io::Result<()> {
        number::attach(number, Box::new(Never), Policy::persistent()).map_err(io::Error::other)
    }

    #[inline]
    fn has(&self, number: RawFd) -> bool {
        number::capture(number).is_covered()
    }
}

/// A recovery function that never recovers.
#[derive(Debug)]
pub(crate) struct Never;

impl Recover for Never {
    fn recover(&self, _: &Attempt<'_>) -> Result<Recovered, RecoveryError> {
        Err(RecoveryError::Final(io::ErrorKind::NotConnected.into()))
    }
}

impl Numbers for Mutex<HashMap<RawFd, Entry>> {
    const NAME: &'static str = "mutex";

    fn up_to(_: RawFd) -> Self {
        Self::default()
    }

    fn put(&self, number: RawFd) -> io::Result<()> {
        self.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(number));
        Ok(())
    }

    #[inline]
    fn has(&self, number: RawFd) -> bool {
        let entries = self.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&number).is_some_and(|entry| **entry == number)
    }
}

impl Numbers for RwLock<HashMap<RawFd, Entry>> {
    const NAME: &'static str = "rwlock";

    fn up_to(_: RawFd) -> Self {
        Self::default()
    }

    fn put(&self, number: RawFd) -> io::Result<()> {
        self.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(number));
        Ok(())
    }

    #[inline]
    fn has(&self, number: RawFd) -> bool {
        let entries = self.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&number).is_some_and(|entry| **entry == number)
    }
}

impl Numbers for dashmap::DashMap<RawFd, Entry> {
    const NAME: &'static str = "dashmap";

    fn up_to(_: RawFd) -> Self {
        Self::default()
    }

    fn put(&self, number: RawFd) -> io::Result<()> {
        self.insert(number, Arc::new(number));
        Ok(())
    }

    #[inline]
    fn has(&self, number: RawFd) -> bool {
        self.get(&number).is_some_and(|entry| **entry == number)
    }
}

impl Numbers for papaya::HashMap<RawFd, Entry> {
    const NAME: &'static str = "papaya";

    fn up_to(_: RawFd) -> Self {
        Self::default()
    }

    fn put(&self, number: RawFd) -> io::Result<()> {
        self.pin().insert(number, Arc::new(number));
        Ok(())
    }

    #[inline]
    fn has(&self, number: RawFd) -> bool {
        self.pin().get(&number).is_some_and(|entry| **entry == number)
    }
}

impl Numbers for Vec<ArcSwapOption<RawFd>> {
    const NAME: &'static str = "arc-swap";

    fn up_to(highest: RawFd) -> Self {
        (0..=highest).map(|_| ArcSwapOption::empty()).collect()
    }

    fn put(&self, number: RawFd) -> io::Result<()> {
        let place = usize::try_from(number).ok().and_then(|index| self.get(index));
        place.ok_or(io::ErrorKind::InvalidInput)?.store(Some(Arc::new(number)));
        Ok(())
    }

    #[inline]
    fn has(&self, number: RawFd) -> bool {
        let place = usize::try_from(number).ok().and_then(|index| self.get(index));
        place.is_some_and(|place| place.load().as_deref().is_some_and(|entry| *entry == number))
    }
}

/// This many open descriptors of one device; fewer where the limits of the process end.
///
/// # Errors
///
/// When not even one can be opened.
pub fn many_descriptors(count: usize) -> io::Result<Vec<OwnedFd>> {
    raise_limit(count as u64 + 64);
    let first = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    let mut all = Vec::with_capacity(count);
    while all.len() + 1 < count {
        match rustix::io::fcntl_dupfd_cloexec(&first, first.as_raw_fd()) {
            Ok(copy) => all.push(copy),
            Err(rustix::io::Errno::MFILE) => break,
            Err(why) => return Err(why.into()),
        }
    }
    all.push(first);
    Ok(all)
}

/// Raises the limit of descriptors to this, or as far as this process may.
pub fn raise_limit(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let maximum = now.maximum.map(|maximum| maximum.max(wanted));
    if setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    }
}
