//! Programs that gain privileges, for which the loader ignores libraries.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{StatVfsMountFlags, XattrFlags, setxattr, statvfs};
use rustix::process::geteuid;

use crate::installation::{Installation, outcome, text};

/// Prints whether the loader had to distrust its environment.
const SECURE: &str = r#"
#include <stdio.h>
#include <sys/auxv.h>
int main(void) { printf("%lu\n", getauxval(AT_SECURE)); return 0; }
"#;

#[test]
fn a_set_user_id_program_is_refused() {
    if !geteuid().is_root() {
        // Only root can make one for somebody else; every system has this one.
        let installation = Installation::new();
        assert!(installation.refused(Path::new("/usr/bin/su"), 126).contains("rights of user 0"));
        return;
    }
    let installation = privileged_installation();
    let program = installation.path("program");
    chown(&program, Some(0), Some(0)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let output = installation.ha(&["./program"]).uid(65534).gid(65534).output().unwrap();
    let (status, _, said) = outcome(&output);
    assert_eq!(status, Some(126), "{said}");
    assert!(said.contains("rights of user 0") && said.contains("sudo"), "{said}");
}

/// An installation with a program that tells whether it is distrusted, where marks on files have an effect.
fn privileged_installation() -> Installation {
    let installation = Installation::new();
    let mount = statvfs(installation.path("")).unwrap();
    assert!(!mount.f_flag.contains(StatVfsMountFlags::NOSUID), "set TMPDIR to a directory that is not mounted nosuid");
    installation.compile("program", SECURE, &[]);
    installation
}

/// The kernel decides; `ha run` must foresee exactly that.
#[test]
fn what_is_refused_is_what_the_kernel_distrusts() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let installation = privileged_installation();
    let program = installation.path("program");
    // Revision 2: flags, permitted, inheritable, and the same for capabilities above 31.
    let capabilities = |flags: u32, permitted: u32, inheritable: u32| {
        Some([0x0200_0000 | flags, permitted, inheritable, 0, 0].map(u32::to_le_bytes).concat())
    };
    let raw_sockets = 1 << 13;
    let mut refusals = 0;
    for (mode, owner, group, attribute) in [
        (0o755, 0, 0, None),
        (0o4755, 0, 0, None),
        (0o4755, 65534, 0, None),
        (0o2755, 0, 0, None),
        (0o2755, 0, 65534, None),
        (0o2745, 0, 0, None),
        (0o6755, 65534, 65534, None),
        (0o755, 0, 0, capabilities(1, raw_sockets, 0)),
        (0o755, 0, 0, capabilities(0, raw_sockets, 0)),
        (0o755, 0, 0, capabilities(0, 0, raw_sockets)),
        (0o755, 0, 0, capabilities(1, 0, 0)),
    ] {
        // Changing the owner takes the other marks away, the attribute too.
        chown(&program, Some(owner), Some(group)).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        if let Some(value) = &attribute {
            setxattr(&program, "security.capability", value, XattrFlags::empty()).unwrap();
        }
        for user in [0, 65534] {
            for bound in [false, true] {
                // Through env, since setpriv itself keeps capabilities that whoever it executes has not.
                let alone = run_as(user, bound, Path::new("env"), &[program.as_os_str()]).output().unwrap();
                let distrusted = text(&alone.stdout) == "1\n";
                let arguments = ["run".as_ref(), program.as_os_str()];
                let covered = run_as(user, bound, &installation.path("ha"), &arguments).output().unwrap();
                let (status, said, errors) = outcome(&covered);
                let case = format!("mode {mode:o} {owner}:{group} {attribute:x?} by {user}, bound {bound}: {errors}");
                if distrusted {
                    assert_eq!(status, Some(126), "{case}");
                    refusals += 1;
                } else {
                    assert_eq!((status, said.as_str(), errors.as_str()), (Some(0), "0\n", "[in front]\n"), "{case}");
                }
            }
        }
    }
    assert!(refusals > 5, "nothing was distrusted: {refusals}");
}

/// A program run by a user, who may be bound not to gain privileges.
fn run_as(user: u32, bound: bool, program: &Path, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
    if bound {
        command.arg("--no-new-privs");
    }
    command.arg(program).args(arguments);
    command
}
