//! How often a connection may be recovered: the limits of QNX's `ha_connection_ctrl`, and the counts they bound.
//!
//! A negative limit means unlimited, zero means never. `total` bounds the episodes in the connection's life
//! (`HA_RECOVERY_ACOUNT`); `in_a_row` bounds consecutive ones (`HA_RECOVERY_ICOUNT`), those whose retry died again; the
//! first retry that does not die starts that count anew.

use crate::sync::{AtomicBool, AtomicI32, AtomicU32, Ordering};

const UNLIMITED: i32 = -1;

/// The counts are read and written by the holder of the gate, whose acquire and release order them, except where they
/// are reset by request; the limits are wishes that take effect with the next episode. So everything is Relaxed.
#[derive(Debug)]
pub(crate) struct Limits {
    total: AtomicI32,
    in_a_row: AtomicI32,
    suspended: AtomicBool,
    episodes: AtomicU32,
    consecutive: AtomicU32,
}

impl Limits {
    pub(crate) fn unlimited() -> Self {
        Self {
            total: AtomicI32::new(UNLIMITED),
            in_a_row: AtomicI32::new(UNLIMITED),
            suspended: AtomicBool::new(false),
            episodes: AtomicU32::new(0),
            consecutive: AtomicU32::new(0),
        }
    }

    pub(crate) fn set_total(&self, limit: i32) {
        self.total.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn set_in_a_row(&self, limit: i32) {
        self.in_a_row.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn suspend(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::Relaxed);
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Relaxed)
    }

    pub(crate) fn reset_total(&self) {
        self.episodes.store(0, Ordering::Relaxed);
    }

    pub(crate) fn reset_in_a_row(&self) {
        self.consecutive.store(0, Ordering::Relaxed);
    }

    /// Recoveries since the last call that went through.
    pub(crate) fn consecutive(&self) -> u32 {
        self.consecutive.load(Ordering::Relaxed)
    }

    /// Counts an episode, unless a limit forbids it.
    #[must_use]
    pub(crate) fn admit(&self) -> bool {
        let admitted = allows(&self.total, &self.episodes) && allows(&self.in_a_row, &self.consecutive);
        if admitted {
            self.episodes.fetch_add(1, Ordering::Relaxed);
            self.consecutive.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// Takes back what [`admit`](Self::admit) has counted: the episode ended without a verdict, so no recovery was
    /// fruitless; and it was none at all if it ended before its first attempt.
    pub(crate) fn withdraw(&self, before_the_first_attempt: bool) {
        take_back(&self.consecutive);
        if before_the_first_attempt {
            take_back(&self.episodes);
        }
    }

    /// A call that was issued again has come back alive.
    pub(crate) fn went_through(&self) {
        if self.consecutive() != 0 {
            self.reset_in_a_row();
        }
    }
}

fn take_back(count: &AtomicU32) {
    // Not below zero: the count may have been reset meanwhile.
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
}

fn allows(limit: &AtomicI32, count: &AtomicU32) -> bool {
    u32::try_from(limit.load(Ordering::Relaxed)).map_or(true, |limit| count.load(Ordering::Relaxed) < limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_limits_every_episode_is_admitted() {
        let limits = Limits::unlimited();
        assert!((0..1000).all(|_| limits.admit()));
    }

    #[test]
    fn a_limit_of_zero_means_never() {
        let limits = Limits::unlimited();
        limits.set_total(0);
        assert!(!limits.admit());
        limits.set_total(-1);
        limits.set_in_a_row(0);
        assert!(!limits.admit());
    }

    #[test]
    fn the_total_is_for_life_until_it_is_reset() {
        let limits = Limits::unlimited();
        limits.set_total(2);
        for _ in 0..2 {
            assert!(limits.admit());
            limits.went_through();
        }
        assert!(!limits.admit());
        limits.reset_total();
        assert!(limits.admit());
    }

    #[test]
    fn recoveries_in_a_row_are_forgiven_by_a_call_that_goes_through() {
        let limits = Limits::unlimited();
        limits.set_in_a_row(1);
        assert!(limits.admit());
        assert!(!limits.admit());
        limits.went_through();
        assert!(limits.admit());
    }
}
