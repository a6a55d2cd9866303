//! Functions that replace numbers inside libc, where no cover of dup2 sees it.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int};

use ha_core::number::detach;
use libc::{pid_t, termios, winsize};

use super::create::anew;
use crate::original::covers;

covers! {
    /// daemon(3): forks, and unless told otherwise puts /dev/null under the standard numbers.
    ["daemon"]
    fn daemon(keep_directory: c_int, keep_numbers: c_int) -> c_int
        => {
            let result = original::daemon(keep_directory, keep_numbers);
            if result == 0 && keep_numbers == 0 {
                forget_standard_numbers();
            }
            result
        };

    /// login_tty(3): puts the terminal under the standard numbers and closes it.
    ["login_tty"]
    fn login_tty(number: c_int) -> c_int
        => {
            let result = original::login_tty(number);
            if result == 0 {
                forget_standard_numbers();
                // Not attached is as good.
                let _ = detach(number);
            }
            result
        };

    /// forkpty(3): the child's standard numbers are the terminal.
    ["forkpty"]
    fn forkpty(master: *mut c_int, name: *mut c_char, attributes: *const termios, size: *const winsize) -> pid_t
        => {
            let child = original::forkpty(master, name, attributes, size);
            match child {
                0 => forget_standard_numbers(),
                -1 => {}
                _ => anew(&[master]),
            }
            child
        };
}

fn forget_standard_numbers() {
    for number in 0..=2 {
        // Not attached is as good.
        let _ = detach(number);
    }
}
