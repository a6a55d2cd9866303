//! A database: what it has acknowledged is there, whatever it has been told about the rest, and its file is whole.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use super::support::mounts::{Mount, is_installed};
use super::support::nap::Naps;
use super::support::{Program, skipped};
use super::{Covered, Mounting, text};

/// How many transactions there are.
const COUNT: u32 = 24;
/// How many entries each of them makes.
const ENTRIES: u32 = 200;

/// A program that sleeps twice in each transaction, in the middle of its changes and before its commit; and that does
/// what a careful program does after an error: it closes the database, opens it and goes on.
const TRANSACTIONS: &str = "
import ctypes, sqlite3, sys, time
path, count, entries, *settings = sys.argv[1:]
half = int(entries) // 2

def opened():
    while True:
        try:
            database = sqlite3.connect(path, isolation_level=None)
            # So few pages are kept in memory that a transaction writes to its files before it ends.
            for setting in *settings, 'synchronous = full', 'cache_size = 5':
                database.execute(f'pragma {setting}').fetchall()
            database.execute('create table if not exists entries (number, place, filler)')
            return database
        except sqlite3.Error:
            time.sleep(0.01)

def insert(number, places):
    for place in places:
        database.execute('insert into entries values (?, ?, ?)', (number, place, 'x' * 500))

database = opened()
for number in range(int(count)):
    error = None
    for step in 'begin', 'first half', 'sleep', 'second half', 'sleep', 'commit':
        try:
            if step == 'sleep': ctypes.CDLL(None).sleep(1)
            elif error: pass
            elif step == 'first half': insert(number, range(half))
            elif step == 'second half': insert(number, range(half, 2 * half))
            else: database.execute(step)
        except sqlite3.Error as why:
            error = f'{step}: {why}'
    print(number, error or 'done')
    if error:
        try: database.close()
        except sqlite3.Error: pass
        database = opened()
print(*database.execute('pragma journal_mode').fetchone())
";

/// What the next program finds: sqlite's verdict, and how many entries of each transaction are there.
const INSPECTION: &str = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(*database.execute('pragma integrity_check').fetchone())
for row in database.execute('select number, count(*) from entries group by number'): print(*row)
";

/// Lets the server die in most transactions, at another moment in each.
fn die_around_commits(mount: &mut Mount, naps: &Naps, covered: &mut Covered) {
    for number in 0..COUNT {
        let in_the_middle = naps.next(&mut covered.program);
        match number % 6 {
            1 => mount.die_and_come_back(),
            2 => {
                mount.lose_connection();
                mount.come_back();
            }
            _ => {}
        }
        drop(in_the_middle);
        let before_the_commit = naps.next(&mut covered.program);
        match number % 6 {
            3 => {
                mount.die_and_come_back();
                drop(before_the_commit);
            }
            4 => {
                mount.freeze();
                drop(before_the_commit);
                sleep(Duration::from_millis(20));
                mount.die_and_come_back();
            }
            5 => {
                drop(before_the_commit);
                sleep(Duration::from_millis((number / 6).into()));
                mount.die_and_come_back();
            }
            _ => drop(before_the_commit),
        }
    }
}

/// The numbered lines of a text.
fn numbered<'text>(lines: impl Iterator<Item = &'text str>) -> BTreeMap<u32, &'text str> {
    lines.filter_map(|line| line.split_once(' ')).map(|(number, rest)| (number.parse().unwrap(), rest)).collect()
}

fn nothing_acknowledged_is_lost(mounting: Mounting, journal: &str, settings: &[&str]) {
    if let Err(why) = is_installed("python3", &["-c", "import sqlite3"]) {
        return skipped(&why);
    }
    let mut mount = match mounting(64 << 20) {
        Ok(mount) => mount,
        Err(why) => return skipped(&why),
    };
    let (count, entries, naps) = (COUNT.to_string(), ENTRIES.to_string(), Naps::new());
    let path = mount.path("database");
    let arguments = [&["-u", "-c", TRANSACTIONS, text(&path), &count, &entries], settings].concat();
    let mut covered = Covered::start_with(&mount, "python3", &arguments, |program| naps.of(program));
    die_around_commits(&mut mount, &naps, &mut covered);
    let (ended, said) = covered.wait();
    let printed = ended.successfully().text();
    assert_eq!(printed.lines().last(), Some(journal));
    assert!(said.contains(" recovered "), "{said}");

    let file = mount.behind("database");
    let found = Program::new("python3").arguments(&["-c", INSPECTION, text(&file)]).run().successfully().text();
    let mut found = found.lines();
    assert_eq!(found.next(), Some("ok"));
    assert!(printed.starts_with("0 done\n"), "nothing had died: {printed}");
    let (there, whole) = (numbered(found), ENTRIES.to_string());
    for (number, outcome) in numbered(printed.lines()) {
        match there.get(&number) {
            Some(entries) => assert_eq!(*entries, whole, "{number} {outcome}"),
            None => assert_ne!(outcome, "done", "{number} was acknowledged and is lost"),
        }
        if matches!(number % 6, 1..=3) {
            assert_ne!(
                outcome, "done",
                "{number}: what was written before the death may be lost, and nobody has said so"
            );
        }
    }
}

#[test]
fn with_a_rollback_journal_over_bindfs() {
    nothing_acknowledged_is_lost(Mount::bindfs, "delete", &["journal_mode = delete"]);
}

#[test]
fn with_a_rollback_journal_over_an_sshfs_that_loses_what_it_has_accepted() {
    nothing_acknowledged_is_lost(Mount::write_behind_sshfs, "delete", &["journal_mode = delete"]);
}

// A log that several processes may use needs an index in shared memory (mmap), which no mount has that is not cached.

#[test]
fn with_a_write_ahead_log_over_bindfs() {
    nothing_acknowledged_is_lost(Mount::bindfs, "wal", &["locking_mode = exclusive", "journal_mode = wal"]);
}

#[test]
fn with_a_write_ahead_log_over_an_sshfs_that_loses_what_it_has_accepted() {
    nothing_acknowledged_is_lost(Mount::write_behind_sshfs, "wal", &["locking_mode = exclusive", "journal_mode = wal"]);
}
