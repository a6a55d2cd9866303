//! The epoll registrations of a number, and how they survive a new description under it.
//!
//! A registration belongs to the pair of number and description. dup3 over the number drops it silently, or, where
//! another dup keeps the old description open, leaves one that reports the old connection and cannot be removed any
//! more (measured). So: [`Registration::remove`], dup3, [`Registration::restore`]. A thread that is blocked in
//! `epoll_wait` meanwhile wakes for the new description.
//!
//! # Safety
//!
//! kcmp(2) reads one local structure.
#![allow(unsafe_code)]

use std::os::fd::{OwnedFd, RawFd};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{self, EventfdFlags};
use rustix::fs::CWD;
use rustix::io::{self, Errno};
use smallvec::SmallVec;
use syscalls::{Sysno, syscall};

use super::description::borrow_number;
use super::proc_file;

/// A number's registration in one epoll instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) epoll: RawFd,
    pub(crate) number: RawFd,
    /// The mask as the kernel has it at this moment, with `EPOLLET`, `EPOLLONESHOT` and the like.
    pub(crate) events: u32,
    pub(crate) data: u64,
}

/// Every epoll instance that this process has a number for.
///
/// Lists every number that is open and asks about it: 2 µs each, most of it for the list (measured).
pub(crate) fn instances() -> SmallVec<[RawFd; 2]> {
    let numbers = proc_file::numbered_entries("/proc/self/fd").unwrap_or_default();
    match event::eventfd(0, EventfdFlags::CLOEXEC) {
        Ok(stranger) => numbers.into_iter().filter(|number| does_not_know(*number, &stranger)).collect(),
        // No number left. The names tell as well, in four times the time, list included (measured).
        Err(_) => numbers.into_iter().filter(|number| is_named_epoll(*number)).collect(),
    }
}

/// Whether the number is an epoll instance: only one can miss what was never registered; any other gives EINVAL.
fn does_not_know(number: RawFd, stranger: &OwnedFd) -> bool {
    borrow_number(number).and_then(|number| epoll::delete(number, stranger)) == Err(Errno::NOENT)
}

/// The registrations of `number` in these epoll instances, with the masks of this moment.
pub(crate) fn registrations(number: RawFd, instances: &[RawFd]) -> SmallVec<[Registration; 2]> {
    let mut found = SmallVec::new();
    for &epoll in instances {
        registrations_in(epoll, number, &mut found);
    }
    found
}

/// Every registration in this instance, as /proc/self/fdinfo lists them.
pub(crate) fn all_in(epoll: RawFd) -> Vec<Registration> {
    let information = proc_file::contents(&format!("/proc/self/fdinfo/{epoll}")).unwrap_or_default();
    listed(&information, epoll).collect()
}

fn listed(information: &[u8], epoll: RawFd) -> impl Iterator<Item = Registration> {
    information.split(|byte| *byte == b'\n').filter_map(move |line| parse(std::str::from_utf8(line).ok()?, epoll))
}

impl Registration {
    /// Removes it, and reports whether it was there: where one epoll instance has several numbers, only the first
    /// removal finds it, and only that one is to be restored.
    ///
    /// # Errors
    ///
    /// `EBADF` when one of the two numbers has been closed.
    pub(crate) fn remove(&self) -> io::Result<bool> {
        match epoll::delete(borrow_number(self.epoll)?, borrow_number(self.number)?) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Registers the number again, with the same mask and the same data.
    ///
    /// What is ready is reported at once, also to `EPOLLET`. A registration that `EPOLLONESHOT` has disarmed stays
    /// disarmed for data; but the kernel adds `EPOLLERR` and `EPOLLHUP` to every mask that it is given, so it would
    /// report the death of the new description, once.
    ///
    /// # Errors
    ///
    /// `EBADF` when one of the numbers has been closed, `EPERM` when the new description cannot be polled, `ENOSPC`,
    /// `ENOMEM`. A registration that is there already is left as it is.
    pub(crate) fn restore(&self) -> io::Result<()> {
        let (data, events) = (EventData::new_u64(self.data), EventFlags::from_bits_retain(self.events));
        match epoll::add(borrow_number(self.epoll)?, borrow_number(self.number)?, data, events) {
            Err(Errno::EXIST) => Ok(()),
            result => result,
        }
    }
}

fn is_named_epoll(number: RawFd) -> bool {
    let mut target = [0_u8; 32];
    let link = format!("/proc/self/fd/{number}");
    rustix::fs::readlinkat_raw(CWD, link, target.as_mut_slice())
        .is_ok_and(|length| target.get(..length) == Some(b"anon_inode:[eventpoll]".as_slice()))
}

/// Adds what /proc/self/fdinfo says about `number` in this instance.
fn registrations_in(epoll: RawFd, number: RawFd, found: &mut SmallVec<[Registration; 2]>) {
    let Ok(information) = proc_file::contents(&format!("/proc/self/fdinfo/{epoll}")) else { return };
    let listed: SmallVec<[Registration; 2]> =
        listed(&information, epoll).filter(|registration| registration.number == number).collect();
    if listed.len() < 2 {
        found.extend(listed);
        return;
    }
    // Others are left over from descriptions that this number had before.
    found.extend((0..).zip(&listed).filter(|(index, _)| is_current(epoll, number, *index)).map(|(_, one)| *one));
}

/// `tfd: 4 events: 80000019 data: 4 pos:0 ino:.. sdev:..` (proc_pid_fdinfo(5)); events and data are hexadecimal.
fn parse(line: &str, epoll: RawFd) -> Option<Registration> {
    let mut words = line.strip_prefix("tfd:")?.split_ascii_whitespace();
    let number = words.next()?.parse().ok()?;
    words.next().filter(|name| *name == "events:")?;
    let events = u32::from_str_radix(words.next()?, 16).ok()?;
    words.next().filter(|name| *name == "data:")?;
    let data = u64::from_str_radix(words.next()?, 16).ok()?;
    Some(Registration { epoll, number, events, data })
}

/// Whether the `index`-th registration listed for the number is of the description that it has now; yes if in doubt.
fn is_current(epoll: RawFd, number: RawFd, index: u32) -> bool {
    /// `KCMP_EPOLL_TFD` of kcmp(2).
    const KCMP_EPOLL_TFD: libc::c_int = 7;
    let (Ok(epoll), Ok(target)) = (u32::try_from(epoll), u32::try_from(number)) else { return true };
    // struct kcmp_epoll_slot: epoll instance, target, how many of the same target to pass over.
    let slot: [u32; 3] = [epoll, target, index];
    let process = rustix::process::getpid().as_raw_nonzero().get();
    let slot = slot.as_ptr();
    // SAFETY: `slot` points to a local that has the layout the kernel reads.
    let compared = unsafe { syscall!(Sysno::kcmp, process, process, KCMP_EPOLL_TFD, number, slot) };
    compared.map_or(true, |order| order == 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;

    use rustix::event::Timespec;

    use super::*;
    use crate::kernel::replace;

    fn instance() -> OwnedFd {
        epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()
    }

    /// The data and mask of what is ready now, or within ten seconds.
    fn ready(epoll: impl AsFd, wait: bool) -> Vec<(u64, EventFlags)> {
        let mut events = Vec::with_capacity(8);
        let limit = Timespec { tv_sec: if wait { 10 } else { 0 }, tv_nsec: 0 };
        // Another test sends signals to every thread.
        io::retry_on_intr(|| epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&limit))).unwrap();
        events.iter().map(|event: &epoll::Event| (event.data.u64(), event.flags)).collect()
    }

    fn only(number: RawFd) -> Registration {
        let found = registrations(number, &instances());
        assert_eq!(found.len(), 1);
        found[0]
    }

    /// What the engine does with a member.
    fn transplant(number: RawFd, new: &UnixStream) {
        let mut found = registrations(number, &instances());
        found.retain(|registration| registration.remove().unwrap());
        replace(new.as_fd(), number, true).unwrap();
        for registration in found {
            registration.restore().unwrap();
        }
    }

    #[test]
    fn an_instance_is_told_from_everything_else_by_its_answer_and_by_its_name() {
        let (near, _far) = UnixStream::pair().unwrap();
        let epoll = instance();
        let stranger = event::eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let (reader, _writer) = std::io::pipe().unwrap();
        let file = tempfile::tempfile().unwrap();
        assert!(does_not_know(epoll.as_raw_fd(), &stranger) && is_named_epoll(epoll.as_raw_fd()));
        for other in [near.as_fd(), reader.as_fd(), file.as_fd(), stranger.as_fd()] {
            assert!(!does_not_know(other.as_raw_fd(), &stranger) && !is_named_epoll(other.as_raw_fd()));
        }
        assert!(!does_not_know(-1, &stranger) && !does_not_know(1 << 28, &stranger));
    }

    #[test]
    fn a_registration_is_found_with_its_mask_and_data() {
        let (near, _far) = UnixStream::pair().unwrap();
        let epoll = instance();
        let mask = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &near, EventData::new_u64(u64::MAX - 1), mask).unwrap();
        let found = only(near.as_raw_fd());
        assert_eq!((found.epoll, found.data), (epoll.as_raw_fd(), u64::MAX - 1));
        assert!(EventFlags::from_bits_retain(found.events).contains(mask));
        let noted = registrations(near.as_raw_fd(), &[epoll.as_raw_fd()]);
        assert_eq!(noted.as_slice(), &[found]);
    }

    #[test]
    fn a_thread_blocked_in_epoll_wait_wakes_for_the_new_description() {
        let (near, _far) = UnixStream::pair().unwrap();
        let (new, mut server) = UnixStream::pair().unwrap();
        let epoll = instance();
        epoll::add(&epoll, &near, EventData::new_u64(7), EventFlags::IN).unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| ready(&epoll, true));
            transplant(near.as_raw_fd(), &new);
            server.write_all(b"x").unwrap();
            assert_eq!(waiter.join().unwrap(), [(7, EventFlags::IN)]);
        });
    }

    #[test]
    fn the_old_description_no_longer_reports_though_a_dup_keeps_it_open() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let _kept = near.try_clone().unwrap();
        let (new, _server) = UnixStream::pair().unwrap();
        let epoll = instance();
        epoll::add(&epoll, &near, EventData::new_u64(7), EventFlags::IN).unwrap();
        transplant(near.as_raw_fd(), &new);
        far.write_all(b"x").unwrap();
        assert!(ready(&epoll, false).is_empty());
    }

    #[test]
    fn of_two_registrations_under_one_number_only_the_current_one_counts() {
        let (near, _far) = UnixStream::pair().unwrap();
        let _kept = near.try_clone().unwrap();
        let (new, _server) = UnixStream::pair().unwrap();
        let epoll = instance();
        epoll::add(&epoll, &near, EventData::new_u64(1), EventFlags::IN).unwrap();
        replace(new.as_fd(), near.as_raw_fd(), true).unwrap();
        epoll::add(&epoll, &near, EventData::new_u64(2), EventFlags::OUT).unwrap();
        assert_eq!(only(near.as_raw_fd()).data, 2);
    }

    #[test]
    fn a_fired_oneshot_stays_disarmed() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (new, mut server) = UnixStream::pair().unwrap();
        let epoll = instance();
        epoll::add(&epoll, &near, EventData::new_u64(7), EventFlags::IN | EventFlags::ONESHOT).unwrap();
        far.write_all(b"x").unwrap();
        assert_eq!(ready(&epoll, true).len(), 1);
        assert_eq!(only(near.as_raw_fd()).events, EventFlags::ONESHOT.bits());
        server.write_all(b"y").unwrap();
        transplant(near.as_raw_fd(), &new);
        assert!(ready(&epoll, false).is_empty());
        // The kernel's own addition, see `restore`.
        let added = EventFlags::ONESHOT | EventFlags::ERR | EventFlags::HUP;
        assert_eq!(only(near.as_raw_fd()).events, added.bits());
        epoll::modify(&epoll, &near, EventData::new_u64(8), EventFlags::IN | EventFlags::ONESHOT).unwrap();
        assert_eq!(ready(&epoll, true), [(8, EventFlags::IN)]);
    }

    #[test]
    fn edge_triggered_and_exclusive_masks_survive() {
        let (near, _far) = UnixStream::pair().unwrap();
        let (new, mut server) = UnixStream::pair().unwrap();
        let epoll = instance();
        let mask = EventFlags::IN | EventFlags::ET | EventFlags::EXCLUSIVE;
        epoll::add(&epoll, &near, EventData::new_u64(7), mask).unwrap();
        let before = only(near.as_raw_fd());
        server.write_all(b"y").unwrap();
        transplant(near.as_raw_fd(), &new);
        assert_eq!(only(near.as_raw_fd()), before);
        assert_eq!(ready(&epoll, true), [(7, EventFlags::IN)]);
        assert!(ready(&epoll, false).is_empty());
        (&near).read_exact(&mut [0]).unwrap();
    }

    #[test]
    fn an_instance_with_two_numbers_is_restored_once() {
        let (near, _far) = UnixStream::pair().unwrap();
        let epoll = instance();
        let second = rustix::io::dup(&epoll).unwrap();
        epoll::add(&epoll, &near, EventData::new_u64(7), EventFlags::IN).unwrap();
        let mut found = registrations(near.as_raw_fd(), &instances());
        assert_eq!(found.len(), 2);
        found.retain(|registration| registration.remove().unwrap());
        assert_eq!(found.len(), 1);
        found[0].restore().unwrap();
        found[0].restore().unwrap();
        drop(second);
        assert_eq!(only(near.as_raw_fd()).data, 7);
    }
}
