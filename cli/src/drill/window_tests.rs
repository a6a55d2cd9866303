//! Every way in which a round of asking again and a call that sends can meet.

use super::*;

fn socket() -> Window {
    Window::new(8, Wire::Socket)
}

fn pipe() -> Window {
    Window::new(8, Wire::Pipe)
}

fn begin(window: &Window) -> u64 {
    window.ask(|| false).unwrap()
}

/// Another thread recovers.
fn recover(window: &Window) -> Vec<u64> {
    let numbers = ask_again_elsewhere(window, Round::Recovery);
    window.recovered();
    numbers
}

fn ask_again_elsewhere(window: &Window, round: Round) -> Vec<u64> {
    std::thread::scope(|threads| threads.spawn(|| window.ask_again(round)).join().unwrap())
}

#[test]
fn a_full_window_makes_the_writer_wait_for_an_answer() {
    let window = Window::new(1, Wire::Socket);
    assert_eq!(window.ask(|| false), Some(0));
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| window.ask(|| false));
        assert_eq!(window.answer(0), (Answer::Expected, false));
        assert_eq!(writer.join().unwrap(), Some(1));
    });
}

#[test]
fn a_writer_in_front_of_a_full_window_notices_the_end() {
    assert_eq!(Window::new(0, Wire::Socket).ask(|| true), None);
}

#[test]
fn the_end_is_reached_when_nothing_is_outstanding() {
    let window = socket();
    let first = begin(&window);
    let last = window.ask_last();
    assert_eq!(window.answer(last), (Answer::Expected, false));
    assert_eq!(window.account().lost, 1);
    assert_eq!(window.answer(first), (Answer::Expected, true));
    assert_eq!(window.account().lost, 0);
}

#[test]
fn a_call_that_nothing_disturbs_needs_nothing() {
    let window = socket();
    let first = begin(&window);
    assert_eq!(window.returned(Outcome::Intact), Then::Nothing);
    assert_eq!(recover(&window), [first]);
}

#[test]
fn what_is_in_send_is_libhas_to_send_again() {
    let window = socket();
    let first = begin(&window);
    window.returned(Outcome::Intact);
    begin(&window);
    assert_eq!(recover(&window), [first]);
    assert_eq!(window.returned(Outcome::Retransmitted), Then::Check);
    assert_eq!(window.account().retransmitted, 1);
}

#[test]
fn what_was_sent_just_before_the_server_died_is_the_writers_to_send_again() {
    let window = socket();
    begin(&window);
    recover(&window);
    assert_eq!(window.returned(Outcome::Intact), Then::Again);
    assert_eq!(window.account().retransmitted, 1);
}

#[test]
fn what_was_answered_meanwhile_is_not_sent_again() {
    let window = socket();
    let number = begin(&window);
    recover(&window);
    window.answer(number);
    assert_eq!(window.returned(Outcome::Intact), Then::Nothing);
}

#[test]
fn a_second_recovery_may_have_cost_what_libha_has_issued_again() {
    let window = socket();
    begin(&window);
    recover(&window);
    recover(&window);
    assert_eq!(window.returned(Outcome::Retransmitted), Then::Again);
}

#[test]
fn a_round_that_breaks_off_belongs_to_the_same_recovery_as_the_next_one() {
    let window = socket();
    begin(&window);
    ask_again_elsewhere(&window, Round::Recovery);
    recover(&window);
    assert_eq!(window.returned(Outcome::Retransmitted), Then::Check);
}

#[test]
fn a_writer_that_recovers_has_a_call_that_failed() {
    let window = socket();
    begin(&window);
    assert_eq!(window.ask_again(Round::Recovery), Vec::<u64>::new());
    window.recovered();
    assert_eq!(window.returned(Outcome::Retransmitted), Then::Check);
    begin(&window);
    window.ask_again(Round::Recovery);
    assert_eq!(window.returned(Outcome::Intact), Then::Complain);
    assert_eq!(window.account().lost, 2);
}

#[test]
fn a_request_that_the_server_misses_is_lost_even_if_it_is_answered_later() {
    let window = socket();
    let number = begin(&window);
    assert!(window.is_missing(number));
    window.answer(number);
    assert_eq!(window.account().lost, 1);
}

#[test]
fn a_request_that_was_answered_cannot_be_missing() {
    let window = socket();
    let number = begin(&window);
    window.answer(number);
    assert!(!window.is_missing(number));
    assert_eq!(window.account().lost, 0);
}

#[test]
fn what_was_issued_again_into_a_pipe_waits_for_the_greeting_of_its_reader() {
    let window = pipe();
    begin(&window);
    window.failed();
    assert_eq!(window.returned(Outcome::Retransmitted), Then::Nothing);
    assert_eq!(window.ask_again(Round::Reopened), Vec::<u64>::new());
    assert_eq!(window.ask_again(Round::Greeting), Vec::<u64>::new());
    // Its reader has died before it answered.
    assert_eq!(window.ask_again(Round::Greeting), [0]);
}

#[test]
fn a_reader_that_answers_a_later_request_has_not_received_the_earlier_one() {
    let window = pipe();
    begin(&window);
    window.returned(Outcome::Retransmitted);
    let later = begin(&window);
    window.returned(Outcome::Intact);
    assert_eq!(window.ask_again(Round::Greeting), [later]);
    assert_eq!(window.left_behind_by(later), [0]);
    window.answer(later);
    assert_eq!(window.account().lost, 1);
}

#[test]
fn a_reader_that_answers_in_order_has_received_everything() {
    let window = pipe();
    let first = begin(&window);
    window.returned(Outcome::Retransmitted);
    let second = begin(&window);
    window.returned(Outcome::Intact);
    window.ask_again(Round::Greeting);
    for number in [first, second] {
        assert_eq!(window.left_behind_by(number), Vec::<u64>::new());
        window.answer(number);
    }
    assert_eq!(window.account().lost, 0);
}

#[test]
fn a_greeting_during_a_call_leaves_it_to_the_writer() {
    let window = pipe();
    begin(&window);
    assert_eq!(ask_again_elsewhere(&window, Round::Greeting), Vec::<u64>::new());
    assert_eq!(window.returned(Outcome::Retransmitted), Then::Again);
}
