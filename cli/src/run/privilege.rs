//! Whether starting a file raises privileges, which makes the loader ignore LD_PRELOAD (AT_SECURE).
//!
//! The rules are those of the kernel's `bprm_fill_uid` and `cap_bprm_creds_from_file`. A security module may add rules of
//! its own (AppArmor and SELinux, when they change domains); those cannot be known beforehand.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Mode, StatVfsMountFlags, fgetxattr, fstatvfs};
use rustix::process::{getegid, geteuid, getgid, getuid};
use rustix::thread::{CapabilitySet, capabilities, capability_is_in_bounding_set, no_new_privs};

/// What a program would gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gain {
    /// Another effective user than the one who starts it.
    User(u32),
    /// Another effective group.
    Group(u32),
    /// Capabilities of its file.
    Capabilities,
}

/// Who starts the program.
#[derive(Clone, Copy, Debug)]
struct Credentials {
    real_user: u32,
    effective_user: u32,
    real_group: u32,
    effective_group: u32,
    permitted: CapabilitySet,
    inheritable: CapabilitySet,
    bounding: CapabilitySet,
    no_new_privileges: bool,
}

/// What the file says about privileges.
#[derive(Clone, Copy, Debug)]
struct Marks {
    mode: Mode,
    user: u32,
    group: u32,
    capabilities: Option<FileCapabilities>,
    /// The file system was mounted so that none of this counts.
    is_nosuid: bool,
}

/// The attribute `security.capability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileCapabilities {
    is_effective: bool,
    permitted: CapabilitySet,
    inheritable: CapabilitySet,
}

/// What this process would gain by executing the file.
pub(super) fn gained(file: &File) -> io::Result<Option<Gain>> {
    Ok(gain(&Marks::read(file)?, &Credentials::read()?))
}

fn gain(marks: &Marks, caller: &Credentials) -> Option<Gain> {
    let is_counted = !marks.is_nosuid && !caller.no_new_privileges;
    let sets_user = is_counted && marks.mode.contains(Mode::SUID);
    // Without the execute bit of the group, the other one once stood for mandatory locking.
    let sets_group = is_counted && marks.mode.contains(Mode::SGID | Mode::XGRP);
    let user = if sets_user { marks.user } else { caller.effective_user };
    let group = if sets_group { marks.group } else { caller.effective_group };
    // Linux before 6.16 compares with the real IDs only; that differs for callers with two identities.
    if user != caller.real_user || user != caller.effective_user {
        return Some(Gain::User(user));
    }
    if group != caller.real_group || group != caller.effective_group {
        return Some(Gain::Group(group));
    }
    let capabilities = marks.capabilities.filter(|_| !marks.is_nosuid && caller.real_user != 0)?;
    let mut granted = (caller.bounding & capabilities.permitted) | (caller.inheritable & capabilities.inheritable);
    if caller.no_new_privileges {
        granted &= caller.permitted;
    }
    (capabilities.is_effective || !granted.is_empty()).then_some(Gain::Capabilities)
}

impl Credentials {
    fn read() -> io::Result<Self> {
        let sets = capabilities(None)?;
        let in_bounding = |capability: &CapabilitySet| capability_is_in_bounding_set(*capability).unwrap_or(false);
        Ok(Self {
            real_user: getuid().as_raw(),
            effective_user: geteuid().as_raw(),
            real_group: getgid().as_raw(),
            effective_group: getegid().as_raw(),
            permitted: sets.permitted,
            inheritable: sets.inheritable,
            bounding: CapabilitySet::all().iter().filter(in_bounding).collect(),
            no_new_privileges: no_new_privs()?,
        })
    }
}

impl Marks {
    fn read(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            mode: Mode::from_raw_mode(metadata.mode()),
            user: metadata.uid(),
            group: metadata.gid(),
            capabilities: FileCapabilities::read(file),
            is_nosuid: fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::NOSUID),
        })
    }
}

impl FileCapabilities {
    /// The longest form that the attribute has.
    const SIZE: usize = 24;

    fn read(file: &File) -> Option<Self> {
        let mut value = [0; Self::SIZE];
        // A file without the attribute, or a file system without attributes: nothing to gain.
        let length = fgetxattr(file, "security.capability", &mut value).ok()?;
        Self::parse(value.get(..length)?)
    }

    /// Reads what linux/capability.h calls `vfs_cap_data`.
    ///
    /// The third revision belongs to another user namespace: the kernel shows our own as the second.
    fn parse(value: &[u8]) -> Option<Self> {
        let (words, []) = value.as_chunks::<4>() else { return None };
        let words: Vec<u64> = words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).collect();
        let (flags, permitted, inheritable) = match words[..] {
            [flags, permitted, inheritable] if flags >> 24 == 1 => (flags, permitted, inheritable),
            [flags, permitted, inheritable, permitted_high, inheritable_high] if flags >> 24 == 2 => {
                (flags, permitted_high << 32 | permitted, inheritable_high << 32 | inheritable)
            }
            _ => return None,
        };
        Some(Self {
            is_effective: flags & 1 != 0,
            permitted: CapabilitySet::from_bits_retain(permitted),
            inheritable: CapabilitySet::from_bits_retain(inheritable),
        })
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(out, "the rights of user {user}"),
            Self::Group(group) => write!(out, "the rights of group {group}"),
            Self::Capabilities => write!(out, "the capabilities of its file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW_SOCKETS: FileCapabilities =
        FileCapabilities { is_effective: true, permitted: CapabilitySet::NET_RAW, inheritable: CapabilitySet::empty() };

    fn caller(user: u32) -> Credentials {
        Credentials {
            real_user: user,
            effective_user: user,
            real_group: user,
            effective_group: user,
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
            bounding: CapabilitySet::all(),
            no_new_privileges: false,
        }
    }

    fn file(mode: u32, user: u32) -> Marks {
        Marks { mode: Mode::from_raw_mode(mode), user, group: user, capabilities: None, is_nosuid: false }
    }

    fn with(capabilities: FileCapabilities) -> Marks {
        Marks { capabilities: Some(capabilities), ..file(0o755, 0) }
    }

    #[test]
    fn a_set_user_id_program_gains_its_owner_unless_that_is_the_caller() {
        assert_eq!(gain(&file(0o4755, 0), &caller(1000)), Some(Gain::User(0)));
        assert_eq!(gain(&file(0o4755, 33), &caller(0)), Some(Gain::User(33)));
        assert_eq!(gain(&file(0o4755, 0), &caller(0)), None);
        assert_eq!(gain(&file(0o4755, 1000), &caller(1000)), None);
        assert_eq!(gain(&file(0o755, 0), &caller(1000)), None);
    }

    #[test]
    fn a_set_group_id_bit_counts_only_for_a_group_that_may_execute() {
        assert_eq!(gain(&file(0o2755, 5), &caller(1000)), Some(Gain::Group(5)));
        assert_eq!(gain(&file(0o2745, 5), &caller(1000)), None);
        assert_eq!(gain(&file(0o2755, 1000), &caller(1000)), None);
    }

    #[test]
    fn a_nosuid_mount_takes_everything_away() {
        let nosuid = |marks| Marks { is_nosuid: true, ..marks };
        assert_eq!(gain(&nosuid(file(0o6755, 0)), &caller(1000)), None);
        assert_eq!(gain(&nosuid(with(RAW_SOCKETS)), &caller(1000)), None);
    }

    #[test]
    fn a_caller_without_new_privileges_gains_no_user_and_no_group() {
        let bound = Credentials { no_new_privileges: true, ..caller(1000) };
        assert_eq!(gain(&file(0o6755, 0), &bound), None);
        // The kernel is strict here, although nothing is gained in the end.
        assert_eq!(gain(&with(RAW_SOCKETS), &bound), Some(Gain::Capabilities));
        assert_eq!(gain(&with(FileCapabilities { is_effective: false, ..RAW_SOCKETS }), &bound), None);
    }

    #[test]
    fn file_capabilities_count_for_everybody_but_root() {
        assert_eq!(gain(&with(RAW_SOCKETS), &caller(1000)), Some(Gain::Capabilities));
        assert_eq!(gain(&with(RAW_SOCKETS), &caller(0)), None);
    }

    #[test]
    fn capabilities_that_are_only_inheritable_need_an_heir() {
        let inheritable = CapabilitySet::NET_RAW;
        let marks = with(FileCapabilities { is_effective: false, permitted: CapabilitySet::empty(), inheritable });
        assert_eq!(gain(&marks, &caller(1000)), None);
        assert_eq!(gain(&marks, &Credentials { inheritable, ..caller(1000) }), Some(Gain::Capabilities));
    }

    #[test]
    fn a_caller_with_two_identities_is_privileged_already() {
        assert_eq!(gain(&file(0o755, 0), &Credentials { effective_user: 0, ..caller(1000) }), Some(Gain::User(0)));
        assert_eq!(gain(&file(0o755, 0), &Credentials { effective_group: 0, ..caller(1000) }), Some(Gain::Group(0)));
    }

    #[test]
    fn the_attribute_is_read_in_its_revisions() {
        let bytes = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
        let raw_sockets = 1 << 13;
        assert_eq!(FileCapabilities::parse(&bytes(&[0x0100_0001, raw_sockets, 0])), Some(RAW_SOCKETS));
        assert_eq!(FileCapabilities::parse(&bytes(&[0x0200_0001, raw_sockets, 0, 0, 0])), Some(RAW_SOCKETS));
        let high = FileCapabilities::parse(&bytes(&[0x0200_0000, 0, 0, 0, 1 << 8])).unwrap();
        assert_eq!((high.is_effective, high.inheritable), (false, CapabilitySet::CHECKPOINT_RESTORE));
        assert_eq!(FileCapabilities::parse(&bytes(&[0x0300_0001, raw_sockets, 0, 0, 0, 1000])), None);
        assert_eq!(FileCapabilities::parse(&bytes(&[0x0200_0001, raw_sockets])), None);
        assert_eq!(FileCapabilities::parse(b"\x01\0\0"), None);
    }
}
