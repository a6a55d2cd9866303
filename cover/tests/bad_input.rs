//! Bad arguments, and programs that must not be trusted with a recovery function.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{Permissions, copy, set_permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use support::build::SONAME;
use support::scenarios::scenarios;
use support::{Program, compile, library, linked, skipped};

scenarios! {
    "bad_input.c":
    every_bad_argument_has_its_errno_and_changes_nothing,
    a_bad_argument_of_a_plain_call_is_libcs_affair,
    a_number_at_the_limit_can_be_attached,
    without_a_number_to_spare_a_dup_says_so,
}

/// Any user but root.
const NOBODY: u32 = 65534;

#[test]
fn a_setuid_program_can_attach_nothing_and_makes_plain_calls() {
    if !rustix::process::geteuid().is_root() {
        return skipped("only root can make a program of somebody else");
    }
    // The loader does not look where the environment says, so the program says itself where libha is.
    let place = tempfile::tempdir().unwrap();
    set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    copy(library(), place.path().join(SONAME)).unwrap();
    let mut flags = linked();
    flags.push(format!("-Wl,-rpath,{}", place.path().display()).into());
    let (program, log) = (place.path().join("secure"), place.path().join("log"));
    copy(compile("secure.c", &flags), &program).unwrap();
    chown(&program, Some(NOBODY), None).unwrap();
    set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();

    let ended = Program::new(&program).environment("HA_LOG", "trace").environment("HA_LOG_FILE", &log).run();
    assert_eq!(ended.silently().text(), "plain\n");
    assert!(!log.exists(), "the environment of a setuid program is not its own");
}
