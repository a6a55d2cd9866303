//! Anything that may happen to a program, at every step of an episode: see `c/steps.h`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ffi::OsString;
use std::fs::rename;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::build::{SONAME, package};
use support::{Program, compile};

/// The directory of a libha that calls a hook at every step, built once in each test process.
fn library_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        // Apart: the other tests run the library as it is installed.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("steps-target");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "ha-cover", "--features", "steps", "--target-dir"])
            .arg(&target)
            .current_dir(package())
            .status()
            .unwrap();
        assert!(status.success(), "a libha with the feature `steps` cannot be built");
        let directory = target.join("debug");
        let fresh = directory.join(std::process::id().to_string());
        symlink("libha.so", &fresh).unwrap();
        rename(fresh, directory.join(SONAME)).unwrap();
        directory
    })
}

fn program(source: &str) -> Program {
    let mut directory = OsString::from("-L");
    directory.push(library_directory());
    let mut flags = vec![directory];
    flags.extend(["-Wl,--no-as-needed", "-lha", "-Wl,--as-needed"].map(OsString::from));
    Program::new(compile(source, &flags)).environment("LD_LIBRARY_PATH", library_directory())
}

/// Makes a test of each event of a C program, which plays it at every step, and one that none is left out.
macro_rules! events {
    ($source:literal: $($event:ident),+ $(,)?) => {
        $(
            #[test]
            fn $event() {
                super::program($source).argument(stringify!($event)).run().silently();
            }
        )+

        #[test]
        fn no_event_is_left_out() {
            let there = super::program($source).argument("--list").run().silently().text();
            assert_eq!(there.lines().collect::<Vec<_>>(), [$(stringify!($event)),+]);
        }
    };
}

mod numbers {
    events! {
        "steps_numbers.c":
        the_failing_number_is_closed,
        another_number_is_closed,
        the_last_number_is_closed,
        all_numbers_are_closed,
        a_stranger_replaces_the_failing_number,
        a_stranger_is_not_taken_for_what_was_recovered,
        a_stranger_replaces_another_number,
        another_connection_replaces_the_failing_number,
        the_failing_number_is_closed_and_reused,
        another_number_is_closed_and_reused,
        the_failing_number_is_detached,
        another_number_is_detached,
        the_failing_number_is_copied,
        another_number_is_copied,
        a_number_is_copied_onto_a_free_one,
        the_function_is_replaced,
        a_copy_is_attached_to_another_server,
        recovery_is_suspended,
    }
}

mod threads {
    events! {
        "steps_threads.c":
        another_number_is_written_to,
        the_failing_number_is_written_to,
        each_number_is_written_to,
        a_number_is_polled,
        a_flag_is_set,
        a_thread_that_waits_is_cancelled,
        the_thread_that_recovers_is_cancelled,
        the_thread_that_recovers_cancels_itself,
    }
}

mod signals {
    events! {
        "steps_signals.c":
        write_to_the_number_on_the_holder,
        write_to_the_number_on_a_waiter,
        write_to_another_number_on_the_holder,
        write_to_another_number_on_a_waiter,
        write_elsewhere_on_the_holder,
        write_elsewhere_on_a_waiter,
        close_a_number_on_the_holder,
        close_a_number_on_a_waiter,
        copy_and_close_on_the_holder,
        copy_and_close_on_a_waiter,
        copy_onto_and_close_on_the_holder,
        copy_onto_and_close_on_a_waiter,
    }
}

mod processes {
    events! {
        "steps_processes.c":
        another_thread_forks,
        the_thread_forks_and_the_child_goes_first,
        the_thread_forks_and_the_parent_goes_first,
        another_thread_vforks,
        the_thread_vforks,
        another_thread_spawns,
        the_thread_spawns,
    }
}
