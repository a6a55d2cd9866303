//! QNX's example programs, compiled with nothing changed but their path, while their file server dies in their sleep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/file_server.rs"]
mod file_server;
mod support;

use file_server::{CONTENT, FileServer};
use support::nap::Naps;
use support::{Program, examples, skipped};

/// Runs an example whose server dies and comes back in each of its sleeps, and compares what it prints.
///
/// FILE stands for the path of the file in `expected`.
fn survives(name: &str, sleeps: usize, expected: &str) {
    let mut server = match FileServer::start() {
        Ok(server) => server,
        Err(why) => return skipped(&format!("{name} needs FUSE, and root: {why}")),
    };
    let scratch = tempfile::tempdir().unwrap();
    let Some(program) = examples::compiled(name, &server.file(), scratch.path()) else {
        return skipped(&format!("{name} is not here; set HA_EXAMPLES to the directory of the examples"));
    };
    let naps = Naps::new();
    let mut running = naps.of(Program::new(program)).start();
    for _ in 0..sleeps {
        let nap = naps.next(&mut running);
        server.die_and_come_back();
        drop(nap);
    }
    let ended = running.wait().silently();
    assert_eq!(ended.text(), expected.replace("FILE", &server.file().display().to_string()));
}

#[test]
fn the_function_is_shared_replaced_and_outlives_its_first_number() {
    survives(
        "simple.c",
        2,
        "fd = 3\n\
         dup-ped fd2 = 4\n\
         before sleeping first time\n\
         trying to read from FILE using fd 4\n\
         recovering for fd 4 inside function\n\
         New fd = 3\n\
         before sleeping again\n\
         trying to read from FILE using fd 5\n\
         recovering for fd 5 inside function\n\
         trying to read from FILE once more using fd 4\n\
         recovering for fd 4  inside function 2\n\
         total recoveries, 3\n",
    );
}

/// Its comment promises a recovery of the second descriptor too; but that is one of plain `open`, and so it fails.
#[test]
fn the_offset_is_restored_and_a_plain_descriptor_is_left_alone() {
    let (first, second) = (&CONTENT[..15], &CONTENT[15..30]);
    let expected = format!(
        "trying to read from file using fd 3\n\
         before sleeping first time\n\
         {first}\n\
         trying to read from file using fd 3\n\
         after sleeping\n\
         recovering for fd 3 inside function\n\
         {second}\n\
         trying to read from file using fd 4\n\
         error: Transport endpoint is not connected\n\
         total recoveries, 1\n"
    );
    survives("state_reconstruction.c", 1, &expected);
}

#[test]
fn successful_recoveries_are_counted() {
    survives("recovery.c", 1, "total recoveries, 1\n");
}
