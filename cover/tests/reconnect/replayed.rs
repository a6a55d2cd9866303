//! `--replay`: what has no answer is sent again, within bounds.

use super::client::{FLAVOURS, Meeting};
use super::server::Course;
use super::server::Death::{Fin, Reset};
use super::server::Life::{After, HalfAnswer, InRequest, Long};

#[test]
fn a_request_without_an_answer_is_sent_again() {
    for flavour in FLAVOURS {
        for death in [Fin, Reset] {
            let meeting = Meeting::of(flavour, &Course::of(&[InRequest(1, death), Long]), &["a", "b", "c"]);
            let told = meeting.with_libha(&["--replay"]);
            let end = if flavour.starts_with("Http") { "" } else { "\\n" };
            let expected = format!("a b'a@1{end}'\nb b'b@2{end}'\nc b'c@2{end}'\nfinished None\n");
            assert_eq!(told.outcome, expected, "{meeting:?}\n{}", told.log);
            assert_eq!(told.requests, ["a", "b", "b", "c"], "{meeting:?}");
        }
    }
}

#[test]
fn what_has_been_answered_is_not_sent_again() {
    for flavour in FLAVOURS.into_iter().chain(["Spliced"]) {
        for death in [Fin, Reset] {
            let course = Course::of(&[After(1, death), Long]);
            let told = Meeting::of(flavour, &course, &["a", "died", "end"]).is_left_alone(&["--replay"]);
            assert_eq!(told.requests, ["a"]);
            let course = Course::of(&[HalfAnswer(1, death), Long]);
            let told = Meeting::of(flavour, &course, &["a", "b"]).is_left_alone(&["--replay"]);
            assert_eq!(told.requests, ["a", "b"]);
        }
    }
}

#[test]
fn a_request_beyond_the_bound_is_not_sent_again() {
    let course = Course::of(&[InRequest(1, Fin), Long]);
    for (bound, is_sent_again) in [("--replay=6", true), ("--replay=5", false), ("--replay=0", false)] {
        let meeting = Meeting::of("Blocking", &course, &["a", "bound"]);
        if is_sent_again {
            assert_eq!(meeting.with_libha(&[bound]).requests, ["a", "bound", "bound"]);
        } else {
            assert_eq!(meeting.is_left_alone(&[bound]).requests, ["a", "bound"]);
        }
    }
}

#[test]
fn a_request_that_kills_every_server_is_sent_again_no_more_than_three_times() {
    for flavour in ["Blocking", "Timeout", "Selectors", "Asyncio", "Http"] {
        for death in [Fin, Reset] {
            let course = Course::of(&[InRequest(1, death), InRequest(0, death)]);
            let meeting = Meeting::of(flavour, &course, &["a", "b"]);
            let (without, with) = (meeting.without_libha(), meeting.with_libha(&["--replay"]));
            assert_eq!(with.outcome, without.outcome, "{meeting:?}\n{}", with.log);
            assert_eq!(with.requests, ["a", "b", "b", "b", "b"], "{meeting:?}");
        }
    }
}

#[test]
fn a_request_is_not_sent_again_where_no_server_comes_back() {
    for flavour in FLAVOURS {
        for death in [Fin, Reset] {
            let course = Course::of(&[InRequest(1, death)]).and_then_nobody();
            Meeting::of(flavour, &course, &["a", "b"]).is_left_alone(&["--replay", "--deadline", "100ms"]);
        }
    }
}

#[test]
fn a_request_that_ends_with_an_end_of_file_is_not_sent_again() {
    // A new connection would not have that end, and its server would wait for it.
    for death in [Fin, Reset] {
        let course = Course::of(&[InRequest(1, death), Long]);
        let told = Meeting::of("HalfClosed", &course, &["a", "last"]).is_left_alone(&["--replay"]);
        assert_eq!(told.requests, ["a", "last"]);
    }
}

#[test]
fn a_request_that_nobody_has_seen_is_not_sent_again() {
    let course = Course::of(&[InRequest(1, Fin), Long]);
    let told = Meeting::of("SentAsFile", &course, &["a", "b"]).is_left_alone(&["--replay"]);
    assert_eq!(told.requests, ["a", "b"]);
}
