//! Programs that are no tests: curl, which looks after its connections itself, and bash.

use std::process::Command;

use super::client::under_libha;
use super::server::Course;
use super::server::Death::{Fin, Reset};
use super::server::Life::{After, HalfAnswer, InRequest, Long};
use super::server::{Life, Protocol};
use crate::support::{Program, skipped};

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success())
}

#[test]
fn curl_fetches_the_same_as_without_libha() {
    if !is_there("curl") {
        return skipped("there is no curl");
    }
    let fetch = |lives: &[Life], options: Option<&[&str]>| {
        let server = Course::of(lives).speaking(Protocol::Http).start();
        let address = server.address();
        let log = tempfile::NamedTempFile::new().unwrap();
        let program = match options {
            None => Program::new("curl"),
            Some(options) => under_libha(&address, log.path(), options).argument("curl"),
        };
        let program = program.arguments(&["--silent", "--show-error", "--http1.1", "--noproxy", "*"]);
        let ended = ["/a", "/b"]
            .iter()
            .fold(program, |program, path| program.argument(format!("http://{address}{path}")))
            .run();
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert!(options.is_none() || log.contains("covered"), "{log}");
        (ended.text(), ended.status.code(), log)
    };
    for death in [Fin, Reset] {
        for lives in
            [&[Long][..], &[After(1, death), Long], &[InRequest(1, death), Long], &[HalfAnswer(1, death), Long]]
        {
            let (text, code, _) = fetch(lives, None);
            let (text_with, code_with, log) = fetch(lives, Some(&[]));
            assert_eq!((text_with, code_with), (text, code), "{lives:?}\n{log}");
        }
        let (text, code, log) = fetch(&[InRequest(0, death), Long], Some(&["--replay"]));
        assert_eq!((text.as_str(), code), ("/a@2/b@2", Some(0)), "{log}");
    }
}

#[test]
fn a_connection_of_bash_is_healed() {
    if !is_there("bash") {
        return skipped("there is no bash");
    }
    // The shell copies the number to its standard output, and back.
    let script = "exec 3<>/dev/tcp/$1 4<>/dev/tcp/$2
        echo a >&3; read -r answer <&3; echo $answer
        read -rN 1 <&4
        echo b >&3; read -r answer <&3; echo $answer";
    for death in [Fin, Reset] {
        let server = Course::of(&[After(1, death), Long]).start();
        let log = tempfile::NamedTempFile::new().unwrap();
        let place = |address: String| address.replace(':', "/");
        let (address, control) = (place(server.address()), place(server.control()));
        let program = under_libha(&server.address(), log.path(), &[]).arguments(&["bash", "-c", script, "bash"]);
        let ended = program.arguments(&[&address, &control]).run();
        assert_eq!(ended.text(), "a@1\nb@2\n", "{ended:?}\n{}", std::fs::read_to_string(log.path()).unwrap());
    }
}
