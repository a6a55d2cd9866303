//! Where a new connection could do harm, or there is none, the program sees what it would have seen without libha.

use super::client::{FLAVOURS, Meeting};
use super::server::Death::{Fin, Reset};
use super::server::Life::{After, HalfAnswer, InRequest, Long};
use super::server::{Course, Where};

#[track_caller]
fn is_left_alone(course: &Course, steps: &[&str], options: &[&str]) {
    for flavour in FLAVOURS {
        Meeting::of(flavour, course, steps).is_left_alone(options);
    }
}

#[test]
fn a_death_with_a_request_outstanding() {
    for death in [Fin, Reset] {
        is_left_alone(&Course::of(&[InRequest(1, death), Long]), &["a", "b", "died", "c"], &[]);
        is_left_alone(&Course::of(&[InRequest(0, death), Long]), &["a"], &[]);
    }
}

#[test]
fn a_death_in_the_middle_of_an_answer() {
    for death in [Fin, Reset] {
        is_left_alone(&Course::of(&[HalfAnswer(1, death), Long]), &["a", "b"], &[]);
    }
}

#[test]
fn an_end_that_follows_an_answer() {
    for death in [Fin, Reset] {
        is_left_alone(&Course::of(&[After(1, death), Long]), &["a", "died", "end"], &[]);
    }
}

#[test]
fn a_death_that_the_program_sees_before_it_asks_again() {
    for death in [Fin, Reset] {
        let course = Course::of(&[After(1, death), Long]);
        Meeting::of("AttentiveAsyncio", &course, &["a", "died", "b"]).is_left_alone(&[]);
    }
}

#[test]
fn a_server_that_does_not_come_back() {
    for death in [Fin, Reset] {
        let course = Course::of(&[After(1, death)]).and_then_nobody();
        is_left_alone(&course, &["a", "died", "b", "c"], &["--deadline", "100ms"]);
    }
}

#[test]
fn a_server_that_does_not_come_back_is_waited_for_once_for_each_request() {
    let course = Course::of(&[After(1, Reset)]).and_then_nobody();
    let told = Meeting::of("Blocking", &course, &["a", "died", "b"]).is_left_alone(&["--deadline", "100ms"]);
    assert_eq!(told.log.matches("given up").count(), 1, "{}", told.log);
}

#[test]
fn a_unix_server() {
    for place in [Where::UnixPath, Where::UnixAbstract] {
        for (life, steps) in [
            (InRequest(1, Fin), &["a", "b"][..]),
            (HalfAnswer(1, Fin), &["a", "b"]),
            (After(1, Fin), &["a", "died", "end"]),
        ] {
            let course = Course::of(&[life, Long]).at(place);
            for flavour in FLAVOURS.into_iter().filter(|flavour| !flavour.starts_with("Http")) {
                Meeting::of(flavour, &course, steps).is_left_alone(&[]);
            }
        }
    }
}

#[test]
fn a_server_that_never_answered() {
    for death in [Fin, Reset] {
        for flavour in FLAVOURS.into_iter().filter(|flavour| !flavour.starts_with("Http")) {
            Meeting::of(flavour, &Course::of(&[After(0, death), Long]), &["died", "end"]).is_left_alone(&[]);
        }
    }
}
