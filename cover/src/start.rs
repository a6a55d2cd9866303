//! The start of the library, before any other constructor.
//!
//! What happens before `main`, in this order: the originals are looked up; the slots of stdio are put in place; and, only if the
//! environment asks for it, a log is opened and rules are read. Nothing is allocated by libha before that last step.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};
use std::os::fd::BorrowedFd;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::{covers, log, original, rules, stdio};

/// Whether the program has more rights than who started it: then nothing but what it has itself decided may happen.
static SECURE: AtomicBool = AtomicBool::new(false);

/// How long a recovery asked for by `ha run` may take unless it says so.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

#[used]
#[unsafe(link_section = ".init_array")]
static START: unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char) = start;

/// libc calls constructors with the program's arguments; its own `environ` may not be there yet.
unsafe extern "C" fn start(_: c_int, _: *const *const c_char, environment: *const *const c_char) {
    original::look_up_all();
    // SAFETY: asks for a number.
    if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        // Relaxed: there is no second thread yet.
        SECURE.store(true, Ordering::Relaxed);
        return;
    }
    covers::text::start();
    stdio::start();
    let environment = Environment(environment);
    if environment.asks_for_anything() {
        // A program must not fail because of what stands in its environment.
        let _ = catch_unwind(|| {
            log::start(&environment);
            rules::start(&environment);
        });
    }
    log::started();
}

/// Whether libha stands aside in this process (`AT_SECURE`, getauxval(3)).
pub(crate) fn is_secure() -> bool {
    SECURE.load(Ordering::Relaxed)
}

/// A number as a descriptor, for the length of a call.
pub(crate) fn borrowed<'fd>(number: c_int) -> Option<BorrowedFd<'fd>> {
    // SAFETY: not -1; whether it is open, the call it is used for will say.
    (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// The environment that the process was started with.
pub(crate) struct Environment(*const *const c_char);

impl Environment {
    fn asks_for_anything(&self) -> bool {
        self.all().any(|variable| variable.starts_with(b"HA_"))
    }

    /// The value of a variable.
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.all().find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    /// The lines of a variable.
    pub(crate) fn lines(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let value = self.value(name).unwrap_or_default();
        value.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
    }

    /// A variable that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        std::str::from_utf8(self.value(name)?).ok()?.parse().ok()
    }

    /// How long a recovery may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.number("HA_DEADLINE").map_or(DEFAULT_DEADLINE, |milliseconds| Duration::from_millis(milliseconds as u64))
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> {
        (0..).map_while(|index| {
            if self.0.is_null() {
                return None;
            }
            let place = self.0.wrapping_add(index);
            // SAFETY: the array ends with a null pointer, where this stops; it does not change before `main`.
            let variable = unsafe { place.read() };
            // SAFETY: not null, so it is a string.
            (!variable.is_null()).then(|| unsafe { CStr::from_ptr(variable) }.to_bytes())
        })
    }
}
