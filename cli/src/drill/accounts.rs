//! What clients make of what their servers say: each answer checked and entered, and the account at the end.

use super::client::Number;
use super::ledger::Answer;
use super::scene::Scene;
use super::window::Window;
use crate::record::{self, Kind, Record};

/// Checks one answer and enters it. Tells whether it was the last one to come; `None` for a wrong one.
pub(crate) fn take(scene: &Scene, bytes: &[u8], window: &Window, connection: u32) -> Option<bool> {
    let name = format!("{} connection {connection}", scene.transport);
    let wrong = match record::verify(bytes) {
        Ok(answer) if answer.size() != bytes.len() => format!("a record of another size than an answer: {answer:?}"),
        Ok(answer) if answer.kind == Kind::Refusal => "the server received bytes that are no request".to_owned(),
        Ok(answer) if answer.connection != connection => format!("a record that does not belong here: {answer:?}"),
        Ok(Record { kind: Kind::Answer, number, .. }) => {
            for skipped in window.left_behind_by(number) {
                scene.fault(format!("{name}: request {skipped} was not issued again: the server is past it"));
            }
            let (verdict, last) = window.answer(number);
            match verdict {
                Answer::Expected | Answer::Repeated | Answer::Duplicate => return Some(last),
                Answer::Unasked => format!("an answer to request {number}, which was never sent"),
            }
        }
        Ok(Record { kind: Kind::Twice, number, .. }) => {
            window.received_twice();
            scene.fault(format!("{name}: request {number} was issued twice on the same connection"));
            return None;
        }
        Ok(Record { kind: Kind::Missing, number, .. }) => {
            if window.is_missing(number) {
                scene.fault(format!("{name}: request {number} was not issued again on the new connection"));
            }
            return None;
        }
        Ok(answer) => format!("a record that does not belong here: {answer:?}"),
        Err(flaw) => match record::header(bytes) {
            Ok(header) => format!("answer {}: {flaw}", header.number),
            Err(_) => format!("instead of an answer: {flaw}"),
        },
    };
    scene.corruption(format!("{name}: {wrong}"));
    None
}

/// Enters a connection's account into the findings.
pub(crate) fn settle(scene: &Scene, name: &str, numbers: &[Box<dyn Number>], window: &Window) {
    let account = window.account();
    scene.note(|findings| {
        findings.lost += account.lost;
        findings.retransmitted += account.retransmitted;
        findings.duplicated += account.duplicated;
        findings.repeated += account.repeated;
    });
    if account.lost > 0 {
        scene.fault(format!("{name}: {} requests were never answered or never issued again", account.lost));
    }
    if let Some(contradiction) = numbers.first().and_then(|number| number.contradiction()) {
        scene.fault(format!("{name}: {contradiction}"));
    }
}

/// What to say about a call that had failed and claims to have gone through at once.
pub(crate) fn swallowed(number: u64) -> String {
    format!("request {number}: the call failed and its thread recovered, but it was not issued again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::options::Transport;
    use crate::drill::stream::ANSWER_PAYLOAD;
    use crate::drill::window::Wire;

    #[test]
    fn an_answer_of_another_connection_is_corruption() {
        let scene = Scene::new(Transport::Tcp, 1).unwrap();
        let window = Window::new(1, Wire::Socket);
        let number = window.ask(|| false).unwrap();
        let answer = |connection| Record { kind: Kind::Answer, connection, number, payload: ANSWER_PAYLOAD }.encode();
        assert_eq!(take(&scene, &answer(2), &window, 1), None);
        assert_eq!(scene.findings().corrupted, 1);
        assert_eq!(take(&scene, &answer(1), &window, 1), Some(false));
        assert_eq!(scene.findings().corrupted, 1);
    }

    #[test]
    fn a_record_of_another_size_is_corruption() {
        let scene = Scene::new(Transport::Tcp, 1).unwrap();
        let window = Window::new(1, Wire::Socket);
        let number = window.ask(|| false).unwrap();
        let mut bytes = Record { kind: Kind::Answer, connection: 1, number, payload: 8 }.encode();
        bytes.resize(bytes.len() + 8, 0);
        assert_eq!(take(&scene, &bytes, &window, 1), None);
        assert_eq!(scene.findings().corrupted, 1);
    }

    #[test]
    fn what_the_server_reports_about_a_request_is_entered() {
        let scene = Scene::new(Transport::Tcp, 1).unwrap();
        let window = Window::new(8, Wire::Socket);
        let number = window.ask(|| false).unwrap();
        let said = |kind| Record { kind, connection: 1, number, payload: ANSWER_PAYLOAD }.encode();
        take(&scene, &said(Kind::Twice), &window, 1);
        take(&scene, &said(Kind::Missing), &window, 1);
        assert_eq!((window.account().duplicated, window.account().lost), (1, 1));
        assert_eq!(scene.findings().faults.len(), 2);
    }
}
