//! A connection under TLS cannot be taken up by another one: the program sees what it would have seen without libha.

use std::net::Ipv4Addr;
use std::process::Command;

use tempfile::TempDir;

use super::client::{python, under_libha};
use crate::support::{Program, skipped};

/// A certificate for nobody in particular, made by the tool; none if there is no tool.
fn certificate() -> Option<TempDir> {
    let directory = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "certificate"])
        .args(["-days", "1", "-subj", "/CN=nobody"])
        .current_dir(&directory)
        .output();
    made.is_ok_and(|made| made.status.success()).then_some(directory)
}

#[test]
fn a_dead_connection_is_as_dead_as_without_libha() {
    let Some(certificate) = certificate() else { return skipped("there is no openssl to make a certificate with") };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reconnect/tls.py");
    let log = certificate.path().join("log");
    for start in ["at once", "after a plain request"] {
        for waiting in ["for ever", "with a timeout"] {
            for death in ["fin", "reset", "close_notify", "reset in a request", "fin in a request"] {
                let told = |program: Program, host| {
                    let program = program.argument(script).argument(certificate.path());
                    program.arguments(&[host, start, waiting, death]).run().silently().text()
                };
                let without = told(Program::new(python().unwrap()), "127.79.0.1");
                let host = Ipv4Addr::new(127, 79, 0, 2).to_string();
                for options in [&[][..], &["--replay"]] {
                    let covered = under_libha(&format!("{host}:4433"), &log, options).argument(python().unwrap());
                    let with = told(covered, &host);
                    let log = std::fs::read_to_string(&log).unwrap();
                    assert!(log.contains("covered"), "{log}");
                    assert_eq!(with, without, "{start}, {waiting}, {death}, {options:?}\n{log}");
                }
            }
        }
    }
}
