//! What makes numbers. Whoever had the new number before and closed it where no cover could see it is forgotten, and what
//! `ha run` was asked to cover is covered.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_uint, c_void};

use ha_core::number::fresh;
use libc::{file_handle, mode_t, sigset_t, termios, winsize};

use crate::original::covers;
use crate::rules::opened;

covers! {
    /// open(2): variadic in C; the mode is passed on as it came, whether it was given or not.
    ["open", "open64", "__open", "__open64"]
    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => opened(fresh(original::open(path, flags, mode)), flags);

    /// open(2) with no mode.
    ["__open_2", "__open64_2"]
    fn __open_2(path: *const c_char, flags: c_int) -> c_int => opened(fresh(original::__open_2(path, flags)), flags);

    /// openat(2).
    ["openat", "openat64"]
    fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => opened(fresh(original::openat(directory, path, flags, mode)), flags);

    /// openat(2) with no mode.
    ["__openat_2", "__openat64_2"]
    fn __openat_2(directory: c_int, path: *const c_char, flags: c_int) -> c_int
        => opened(fresh(original::__openat_2(directory, path, flags)), flags);

    /// creat(2).
    ["creat", "creat64"]
    fn creat(path: *const c_char, mode: mode_t) -> c_int
        => opened(fresh(original::creat(path, mode)), libc::O_WRONLY);

    /// open_by_handle_at(2).
    ["open_by_handle_at"]
    fn open_by_handle_at(mount: c_int, handle: *mut file_handle, flags: c_int) -> c_int
        => opened(fresh(original::open_by_handle_at(mount, handle, flags)), flags);

    /// mkstemp(3).
    ["mkstemp", "mkstemp64"]
    fn mkstemp(template: *mut c_char) -> c_int => opened(fresh(original::mkstemp(template)), libc::O_RDWR);

    /// mkostemp(3).
    ["mkostemp", "mkostemp64"]
    fn mkostemp(template: *mut c_char, flags: c_int) -> c_int
        => opened(fresh(original::mkostemp(template, flags)), libc::O_RDWR);

    /// mkstemps(3).
    ["mkstemps", "mkstemps64"]
    fn mkstemps(template: *mut c_char, suffix: c_int) -> c_int
        => opened(fresh(original::mkstemps(template, suffix)), libc::O_RDWR);

    /// mkostemps(3).
    ["mkostemps", "mkostemps64"]
    fn mkostemps(template: *mut c_char, suffix: c_int, flags: c_int) -> c_int
        => opened(fresh(original::mkostemps(template, suffix, flags)), libc::O_RDWR);

    /// memfd_create(2).
    ["memfd_create"]
    fn memfd_create(name: *const c_char, flags: c_uint) -> c_int => fresh(original::memfd_create(name, flags));

    /// shm_open(3).
    ["shm_open"]
    fn shm_open(name: *const c_char, flags: c_int, mode: mode_t) -> c_int
        => fresh(original::shm_open(name, flags, mode));

    /// mq_open(3): variadic in C.
    ["mq_open"]
    fn mq_open(name: *const c_char, flags: c_int, mode: mode_t, attributes: *mut c_void) -> c_int
        => fresh(original::mq_open(name, flags, mode, attributes));

    /// mq_open(3) with two arguments.
    ["__mq_open_2"]
    fn __mq_open_2(name: *const c_char, flags: c_int) -> c_int => fresh(original::__mq_open_2(name, flags));

    /// posix_openpt(3).
    ["posix_openpt"]
    fn posix_openpt(flags: c_int) -> c_int => fresh(original::posix_openpt(flags));

    /// getpt(3).
    ["getpt"]
    fn getpt() -> c_int => fresh(original::getpt());

    /// openpty(3).
    ["openpty"]
    fn openpty(
        master: *mut c_int, slave: *mut c_int, name: *mut c_char, attributes: *const termios, size: *const winsize,
    ) -> c_int
        => {
            let made = original::openpty(master, slave, name, attributes, size);
            if made == 0 {
                anew(&[master, slave]);
            }
            made
        };

    /// socket(2).
    ["socket"]
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int
        => fresh(original::socket(domain, kind, protocol));

    /// socketpair(2).
    ["socketpair"]
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int
        => both(original::socketpair(domain, kind, protocol, pair), pair);

    /// pipe(2).
    ["pipe", "__pipe"]
    fn pipe(pair: *mut c_int) -> c_int => both(original::pipe(pair), pair);

    /// pipe2(2).
    ["pipe2"]
    fn pipe2(pair: *mut c_int, flags: c_int) -> c_int => both(original::pipe2(pair, flags), pair);

    /// eventfd(2).
    ["eventfd"]
    fn eventfd(initial: c_uint, flags: c_int) -> c_int => fresh(original::eventfd(initial, flags));

    /// signalfd(2).
    ["signalfd"]
    fn signalfd(number: c_int, mask: *const sigset_t, flags: c_int) -> c_int
        => {
            let made = original::signalfd(number, mask, flags);
            if number == -1 { fresh(made) } else { made }
        };

    /// timerfd_create(2).
    ["timerfd_create"]
    fn timerfd_create(clock: c_int, flags: c_int) -> c_int => fresh(original::timerfd_create(clock, flags));

    /// inotify_init(2).
    ["inotify_init"]
    fn inotify_init() -> c_int => fresh(original::inotify_init());

    /// inotify_init1(2).
    ["inotify_init1"]
    fn inotify_init1(flags: c_int) -> c_int => fresh(original::inotify_init1(flags));

    /// fanotify_init(2).
    ["fanotify_init"]
    fn fanotify_init(flags: c_uint, event_flags: c_uint) -> c_int
        => fresh(original::fanotify_init(flags, event_flags));

    /// epoll_create(2).
    ["epoll_create"]
    fn epoll_create(size: c_int) -> c_int => fresh(original::epoll_create(size));

    /// epoll_create1(2).
    ["epoll_create1"]
    fn epoll_create1(flags: c_int) -> c_int => fresh(original::epoll_create1(flags));

    /// pidfd_open(2).
    ["pidfd_open"]
    fn pidfd_open(process: libc::pid_t, flags: c_uint) -> c_int => fresh(original::pidfd_open(process, flags));

    /// pidfd_getfd(2).
    ["pidfd_getfd"]
    fn pidfd_getfd(process: c_int, number: c_int, flags: c_uint) -> c_int
        => fresh(original::pidfd_getfd(process, number, flags));

    /// open_tree(2).
    ["open_tree"]
    fn open_tree(directory: c_int, path: *const c_char, flags: c_uint) -> c_int
        => fresh(original::open_tree(directory, path, flags));

    /// fsopen(2).
    ["fsopen"]
    fn fsopen(file_system: *const c_char, flags: c_uint) -> c_int => fresh(original::fsopen(file_system, flags));

    /// fsmount(2).
    ["fsmount"]
    fn fsmount(context: c_int, flags: c_uint, attributes: c_uint) -> c_int
        => fresh(original::fsmount(context, flags, attributes));

    /// fspick(2).
    ["fspick"]
    fn fspick(directory: c_int, path: *const c_char, flags: c_uint) -> c_int
        => fresh(original::fspick(directory, path, flags));
}

/// # Safety
///
/// `pair` has two numbers if `made` is 0, as pipe(2) leaves it.
unsafe fn both(made: c_int, pair: *mut c_int) -> c_int {
    if made == 0 {
        anew(&[pair, pair.wrapping_add(1)]);
    }
    made
}

/// The numbers at these places have just been made.
pub(super) fn anew(places: &[*mut c_int]) {
    for place in places.iter().filter(|place| !place.is_null()) {
        // SAFETY: the places are where the kernel has just put its numbers.
        let made = unsafe { place.read() };
        let seen = fresh(made);
        // SAFETY: as above.
        unsafe { place.write(seen) };
    }
}
