//! Until when a call waits, in the forms that libc's functions have for it.

use std::ffi::c_int;
use std::ptr;
use std::time::{Duration, Instant};

use libc::{timespec, timeval};

/// The end of a wait; `None` waits for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(Option<End>);

#[derive(Clone, Copy, Debug)]
enum End {
    /// The wait is none: one look.
    AtOnce,
    At(Instant),
    /// The kernel is to say what it thinks of a time that makes no sense.
    Invalid(timespec),
}

/// What is left of the time; `None`: for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left(Option<Time>);

#[derive(Clone, Copy, Debug)]
enum Time {
    For(Duration),
    Invalid(timespec),
}

impl Limit {
    /// As poll(2) has it: negative means for ever.
    pub(crate) fn milliseconds(timeout: c_int) -> Self {
        Self(u64::try_from(timeout).ok().map(|timeout| End::after(Duration::from_millis(timeout))))
    }

    /// As ppoll(2) has it: null means for ever.
    ///
    /// # Safety
    ///
    /// `timeout` is null or can be read.
    pub(crate) unsafe fn timespec(timeout: *const timespec) -> Self {
        // SAFETY: the caller's.
        let Some(timeout) = (unsafe { timeout.as_ref() }) else { return Self(None) };
        let seconds = u64::try_from(timeout.tv_sec);
        let nanoseconds = u32::try_from(timeout.tv_nsec).ok().filter(|nanoseconds| *nanoseconds < 1_000_000_000);
        Self(Some(match (seconds, nanoseconds) {
            (Ok(seconds), Some(nanoseconds)) => End::after(Duration::new(seconds, nanoseconds)),
            _ => End::Invalid(*timeout),
        }))
    }

    /// As select(2) has it: null means for ever.
    ///
    /// # Safety
    ///
    /// `timeout` is null or can be read.
    pub(crate) unsafe fn timeval(timeout: *const timeval) -> Self {
        // SAFETY: the caller's.
        let Some(timeout) = (unsafe { timeout.as_ref() }) else { return Self(None) };
        let parts = timespec { tv_sec: timeout.tv_sec, tv_nsec: timeout.tv_usec.saturating_mul(1000) };
        let (Ok(seconds), Ok(microseconds)) = (u64::try_from(timeout.tv_sec), u64::try_from(timeout.tv_usec)) else {
            return Self(Some(End::Invalid(parts)));
        };
        Self(Some(End::after(Duration::from_secs(seconds) + Duration::from_micros(microseconds))))
    }

    pub(crate) fn left(&self) -> Left {
        Left(self.0.map(|end| match end {
            End::AtOnce => Time::For(Duration::ZERO),
            End::At(end) => Time::For(end.saturating_duration_since(Instant::now())),
            End::Invalid(time) => Time::Invalid(time),
        }))
    }
}

impl End {
    fn after(timeout: Duration) -> Self {
        if timeout.is_zero() {
            return Self::AtOnce;
        }
        // Beyond what the clock can say is a very long time all the same.
        let end = Instant::now().checked_add(timeout.min(Duration::from_secs(u32::MAX.into())));
        end.map_or(Self::AtOnce, Self::At)
    }
}

impl Left {
    /// Rounded up, so that a wait does not end early; negative for ever.
    pub(crate) fn milliseconds(self) -> c_int {
        match self.0 {
            None | Some(Time::Invalid(_)) => -1,
            Some(Time::For(left)) => c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX),
        }
    }

    /// Lends the time out as ppoll(2) wants it.
    pub(crate) fn with_timespec<R>(self, call: impl FnOnce(*const timespec) -> R) -> R {
        let time = match self.0 {
            None => return call(ptr::null()),
            Some(Time::Invalid(time)) => time,
            Some(Time::For(left)) => timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        call(&raw const time)
    }

    /// As select(2) wants it.
    pub(crate) fn timeval(self) -> timeval {
        self.with_timespec(|time| {
            // SAFETY: null, or the local that `with_timespec` lends out.
            match unsafe { time.as_ref() } {
                None => timeval { tv_sec: libc::time_t::MAX, tv_usec: 0 },
                Some(time) => timeval { tv_sec: time.tv_sec, tv_usec: time.tv_nsec / 1000 },
            }
        })
    }
}
