//! `--reopen GLOB`: regular files, by the path they have when they are opened.

use std::ffi::c_int;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use fast_glob::glob_match;
use ha_core::number::{self, Policy};
use ha_core::rustix::fs::{AtFlags, FileType, StatxFlags, statx};
use ha_core::{AttachError, Reopen};

use crate::start::{Environment, borrowed};

#[derive(Debug)]
pub(super) struct Reopening {
    /// Absolute patterns: `*` ends at a slash, `**` does not. `ha run` has checked them.
    patterns: Vec<Vec<u8>>,
    deadline: Duration,
}

impl Reopening {
    pub(super) fn from(environment: &Environment) -> Option<Self> {
        let patterns: Vec<_> = environment.lines("HA_REOPEN").map(<[u8]>::to_vec).collect();
        (!patterns.is_empty()).then(|| Self { patterns, deadline: environment.deadline() })
    }

    pub(super) fn look_at(&self, number: c_int, flags: c_int) {
        if flags & libc::O_PATH != 0 || number::capture(number).is_covered() || !is_regular(number) {
            return;
        }
        let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{number}")) else { return };
        if self.patterns.iter().any(|pattern| glob_match(pattern, path.as_os_str().as_bytes())) {
            self.cover(number, &path);
        }
    }

    fn cover(&self, number: c_int, path: &Path) {
        let policy = Policy::persistent().within(self.deadline).unaware();
        match number::attach_implied(number, Box::new(Reopen::recorded()), policy) {
            Ok(()) => tracing::info!(target: "ha", number, ?path, "covered"),
            // In a child of vfork, which is about to exec.
            Err(AttachError::AnotherProcess) => {}
            Err(error) => tracing::warn!(target: "ha", number, ?path, %error, "not covered"),
        }
    }
}

fn is_regular(number: c_int) -> bool {
    let Some(descriptor) = borrowed(number) else { return false };
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    statx(descriptor, c"", flags, StatxFlags::TYPE)
        .is_ok_and(|status| FileType::from_raw_mode(status.stx_mode.into()) == FileType::RegularFile)
}
