//! What died between two requests is healed.

use super::client::{FLAVOURS, Meeting};
use super::server::Death::{Fin, Reset};
use super::server::Life::{After, Long};
use super::server::{Course, Where};

/// Those that ask before they look: who is told of the death first has a connection less, as without libha.
fn asking_at_once() -> impl Iterator<Item = &'static str> {
    FLAVOURS.into_iter().filter(|flavour| *flavour != "AttentiveAsyncio")
}

/// Expects these connections to have answered a, b, c and so on, one each.
#[track_caller]
fn answered_by(meeting: &Meeting<'_>, connections: &[usize]) {
    let told = meeting.with_libha(&[]);
    let answer = |(text, connection)| {
        let end = if meeting.flavour.starts_with("Http") { "" } else { "\\n" };
        format!("{text} b'{text}@{connection}{end}'\n")
    };
    let expected: String = ('a'..).zip(connections).map(answer).collect();
    assert_eq!(told.outcome, expected + "finished None\n", "{meeting:?}\n{}", told.log);
    assert_eq!(told.requests.len(), connections.len(), "{meeting:?}: a request was sent twice: {:?}", told.requests);
}

#[test]
fn a_connection_that_died_between_requests_is_healed() {
    for flavour in asking_at_once() {
        for death in [Fin, Reset] {
            let meeting = Meeting::of(flavour, &Course::of(&[After(1, death), Long]), &["a", "died", "b", "c"]);
            let without = meeting.without_libha();
            assert!(!without.outcome.contains("\nb b'b@"), "nothing has died: {without:?}");
            answered_by(&meeting, &[1, 2, 2]);
        }
    }
}

#[test]
fn a_connection_that_dies_again_and_again_is_healed_each_time() {
    let course = Course::of(&[After(1, Fin), After(2, Reset), After(1, Reset), After(1, Fin), Long]);
    let steps = ["a", "died", "b", "c", "died", "d", "died", "e", "died", "f", "g"];
    for flavour in ["Blocking", "Selectors", "EdgeTriggered", "Asyncio", "Http"] {
        answered_by(&Meeting::of(flavour, &course, &steps), &[1, 2, 2, 3, 4, 5, 5]);
    }
}

#[test]
fn a_unix_connection_is_healed() {
    for place in [Where::UnixPath, Where::UnixAbstract] {
        let course = Course::of(&[After(1, Fin), After(1, Fin), Long]).at(place);
        for flavour in asking_at_once().filter(|flavour| !flavour.starts_with("Http")) {
            answered_by(&Meeting::of(flavour, &course, &["a", "died", "b", "died", "c"]), &[1, 2, 3]);
        }
    }
}

#[test]
fn parent_and_child_heal_a_shared_connection_for_themselves() {
    let course = Course::of(&[After(1, Fin), Long]);
    let told = Meeting::of("Forked", &course, &["a", "died", "child", "b", "child"]).with_libha(&[]);
    let expected = "a b'a@1\\n'\nin b'child@2\\n'\nchild 0\nb b'b@3\\n'\nin b'child@3\\n'\nchild 0\nfinished None\n";
    assert_eq!(told.outcome, expected, "{}", told.log);
}

#[test]
fn a_request_that_is_copied_to_the_socket_by_the_kernel_is_healed_before() {
    answered_by(&Meeting::of("SentAsFile", &Course::of(&[After(1, Fin), Long]), &["a", "died", "b"]), &[1, 2]);
}
