//! Reading: every byte arrives, once, and in its place.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::mounts::{Mount, is_installed};
use super::support::{Program, skipped};
use super::{
    Covered, DEATHS, Mounting, SHARE, SIZE, count_recoveries, die_again_and_again, die_in_turn, lines, over_each, same,
    text, with_file,
};

over_each! {
    without_libha_a_read_ends_at_the_first_death,
    sha256sum_reads_through_ten_deaths,
    cat_reads_through_ten_deaths,
    dd_reads_through_ten_deaths,
    cp_reads_through_ten_deaths,
    cp_skips_holes_without_a_recovery,
    mmap_fails_without_a_recovery,
    python_reads_lines_and_jumps_about_through_ten_deaths,
    tail_follows_a_file_through_three_deaths,
}

/// Runs a program that reads the large file, and returns what it prints.
#[track_caller]
fn reads_through_ten_deaths(mount: &mut Mount, program: &str, arguments: &[&str]) -> String {
    let covered = Covered::start(mount, program, arguments);
    die_again_and_again(mount);
    covered.succeeds_after(DEATHS..=2 * DEATHS)
}

fn sha256sum(path: &Path) -> String {
    Program::new("sha256sum").argument(path).run().successfully().text().split(' ').next().unwrap().to_owned()
}

fn without_libha_a_read_ends_at_the_first_death(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let program = Program::new("sha256sum").argument(mount.path("big")).start();
    mount.has_moved(SHARE);
    mount.die_and_come_back();
    let ended = program.wait();
    assert!(!ended.status.success(), "{ended:?}");
}

fn sha256sum_reads_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let file = mount.path("big");
    let sum = reads_through_ten_deaths(&mut mount, "sha256sum", &[text(&file)]);
    assert_eq!(sum, format!("{}  {}\n", sha256sum(&mount.behind("big")), file.display()));
}

fn cat_reads_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let file = mount.path("big");
    let read = reads_through_ten_deaths(&mut mount, "cat", &[text(&file)]);
    same(read.as_bytes(), &fs::read(mount.behind("big")).unwrap());
}

fn dd_reads_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let input = format!("if={}", mount.path("big").display());
    let read = reads_through_ten_deaths(&mut mount, "dd", &[&input, "bs=10000"]);
    same(read.as_bytes(), &fs::read(mount.behind("big")).unwrap());
}

fn cp_reads_through_ten_deaths(mounting: Mounting) {
    let Some(mut mount) = with_file(mounting) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (file, copy) = (mount.path("big"), directory.path().join("copy"));
    reads_through_ten_deaths(&mut mount, "cp", &[text(&file), text(&copy)]);
    same(&fs::read(copy).unwrap(), &fs::read(mount.behind("big")).unwrap());
}

/// Asking for data where there is none left fails with an error that a lost device gives as well.
fn cp_skips_holes_without_a_recovery(mounting: Mounting) {
    let mount = match mounting(SIZE) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    fs::File::create(mount.behind("holes")).unwrap().set_len(1 << 20).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (file, copy) = (mount.path("holes"), directory.path().join("copy"));
    Covered::start(&mount, "cp", &[text(&file), text(&copy)]).succeeds_after(0..=0);
    same(&fs::read(copy).unwrap(), &[0; 1 << 20]);
}

/// A file that cannot be mapped into memory fails with an error that a lost device gives as well.
fn mmap_fails_without_a_recovery(mounting: Mounting) {
    if let Err(why) = is_installed("python3", &["--version"]) {
        return skipped(&why);
    }
    let Some(mount) = with_file(mounting) else { return };
    let script = "
import errno, mmap, os, sys
number = os.open(sys.argv[1], os.O_RDWR)
try: mmap.mmap(number, 4096)
except OSError as why: print(errno.errorcode[why.errno])
";
    let file = mount.path("big");
    let printed = Covered::start(&mount, "python3", &["-c", script, text(&file)]).succeeds_after(0..=0);
    assert_eq!(printed, "ENODEV\n");
}

fn python_reads_lines_and_jumps_about_through_ten_deaths(mounting: Mounting) {
    if let Err(why) = is_installed("python3", &["--version"]) {
        return skipped(&why);
    }
    let Some(mut mount) = with_file(mounting) else { return };
    let script = "
import hashlib, os, sys
whole = hashlib.sha256()
with open(sys.argv[1], 'rb') as file:
    first = file.readline()
    file.seek(0)
    offset = 0
    while line := file.readline():
        whole.update(line)
        if offset % 100_000 == 0:
            assert os.pread(file.fileno(), len(line), offset) == line
            file.seek(0)
            assert file.readline() == first
            file.seek(offset + len(line))
        offset += len(line)
    assert file.seek(0, os.SEEK_END) == offset
print(whole.hexdigest())
";
    let file = mount.path("big");
    let sum = reads_through_ten_deaths(&mut mount, "python3", &["-c", script, text(&file)]);
    assert_eq!(sum.trim(), sha256sum(&mount.behind("big")));
}

/// A process that does nothing but wait for the end of its input.
struct Idle(Child);

impl Idle {
    fn start() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn tail_follows_a_file_through_three_deaths(mounting: Mounting) {
    const BATCH: usize = 1_000_000;
    let Some(mut mount) = with_file(mounting) else { return };
    let (log, writer) = (mount.behind("log"), Idle::start());
    fs::write(&log, "").unwrap();
    let append = |batch: usize| {
        let mut log = fs::File::options().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut log, lines(batch * BATCH, BATCH).as_bytes()).unwrap();
    };
    let (file, pid) = (mount.path("log"), format!("--pid={}", writer.0.id()));
    let covered = Covered::start(&mount, "tail", &["-f", "-n", "+1", "-s", "0.01", &pid, text(&file)]);
    for death in 0..3 {
        append(2 * death);
        mount.has_moved(BATCH / 2);
        die_in_turn(&mut mount, death);
        append(2 * death + 1);
        mount.come_back();
    }
    mount.has_moved(BATCH / 2);
    drop(writer);
    let (ended, said) = covered.wait();
    count_recoveries(&said, 3..=6);
    same(ended.silently().text().as_bytes(), &fs::read(log).unwrap());
}
