//! Writing: what was accepted is there, or the program is told.

use std::fs;

use super::support::Ended;
use super::support::mounts::Mount;
use super::{
    Covered, DEATHS, Mounting, SHARE, SIZE, count_recoveries, die_again_and_again, over_each, same, text, with_file,
};

over_each! {
    cp_writes_through_ten_deaths,
    cp_copies_within_the_mount_through_ten_deaths,
    dd_writes_through_ten_deaths,
    dd_writes_and_syncs_through_ten_deaths,
}

/// Runs a program that writes the large file to "copy" on the mount: all of it is there. But nobody knows that who has
/// not seen the server write, and so the close, or a sync before it, says that data may be lost.
#[track_caller]
fn writes_through_ten_deaths(mount: &mut Mount, recoveries: usize, program: &str, arguments: &[&str]) -> String {
    let covered = Covered::start(mount, program, arguments);
    die_again_and_again(mount);
    let (ended, said) = covered.wait();
    count_recoveries(&said, recoveries..=2 * recoveries);
    same(&fs::read(mount.behind("copy")).unwrap(), &fs::read(mount.behind("big")).unwrap());
    assert!(!ended.status.success(), "{ended:?}");
    ended.errors
}

fn cp_writes_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let (file, copy) = (mount.behind("big"), mount.path("copy"));
    let errors = writes_through_ten_deaths(&mut mount, DEATHS, "cp", &[text(&file), text(&copy)]);
    assert!(errors.contains("failed to close"), "{errors}");
}

/// Both ends of the copy die at once, and each is recovered by itself.
fn cp_copies_within_the_mount_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let (file, copy) = (mount.path("big"), mount.path("copy"));
    let errors = writes_through_ten_deaths(&mut mount, 2 * DEATHS, "cp", &[text(&file), text(&copy)]);
    assert!(errors.contains("failed to close"), "{errors}");
}

/// The arguments with which dd copies the large file to the mount.
fn dd_to(mount: &Mount) -> [String; 3] {
    let [input, output] = [mount.behind("big"), mount.path("copy")];
    [format!("if={}", input.display()), format!("of={}", output.display()), "bs=64K".to_owned()]
}

fn dd_writes_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let [input, output, block] = dd_to(&mount);
    let errors = writes_through_ten_deaths(&mut mount, DEATHS, "dd", &[&input, &output, &block]);
    assert!(errors.contains("closing output file"), "{errors}");
}

fn dd_writes_and_syncs_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let [input, output, block] = dd_to(&mount);
    let errors = writes_through_ten_deaths(&mut mount, DEATHS, "dd", &[&input, &output, &block, "conv=fsync"]);
    assert!(errors.contains("fsync failed"), "{errors}");
}

/// Starts `dd`, lets the server accept what never arrives, kills it, and returns how dd has ended.
fn writes_are_lost(mount: &mut Mount, more: &[&str]) -> (Ended, String) {
    let [input, output, block] = dd_to(mount);
    let covered = Covered::start(mount, "dd", &[&[&*input, &*output, &*block], more].concat());
    mount.has_moved(SHARE);
    mount.freeze();
    std::thread::sleep(std::time::Duration::from_millis(50));
    mount.die_and_come_back();
    covered.wait()
}

#[test]
fn a_file_that_has_lost_its_end_is_given_up() {
    let Some(mut mount) = with_file(Mount::write_behind_sshfs) else { return };
    let (ended, said) = writes_are_lost(&mut mount, &[]);
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("had been acknowledged"), "{said}");
}

/// Lets a file lose writes of which its size tells nothing; `complaint` is what dd says.
fn a_file_loses_writes_in_its_middle(conversion: &str, complaint: &str) {
    let Some(mut mount) = with_file(Mount::write_behind_sshfs) else { return };
    fs::write(mount.behind("copy"), vec![0; SIZE]).unwrap();
    let (ended, said) = writes_are_lost(&mut mount, &[conversion]);
    assert!(!ended.status.success(), "{ended:?} {said}");
    assert!(said.contains(" recovered "), "{ended:?}\n{said}");
    assert!(ended.errors.contains(complaint), "{}", ended.errors);
    let [copy, original] = ["copy", "big"].map(|name| fs::read(mount.behind(name)).unwrap());
    assert!(copy != original, "nothing was lost: the test has shown nothing");
}

#[test]
fn a_sync_of_a_file_that_has_lost_writes_fails() {
    a_file_loses_writes_in_its_middle("conv=notrunc,fsync", "fsync failed");
}

#[test]
fn the_close_of_a_file_that_has_lost_writes_fails() {
    a_file_loses_writes_in_its_middle("conv=notrunc", "closing output file");
}
