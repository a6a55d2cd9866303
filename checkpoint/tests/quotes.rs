//! The example: libha brings the connection back, the sequence copes with nonsense.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../examples/quotes.rs"]
mod quotes;

#[test]
fn a_client_outlives_a_server_that_dies_and_talks_nonsense() {
    let account = quotes::run().unwrap();
    let expected = quotes::Account { quotes: vec![1, 4, 9, 16, 25, 36, 49, 64], opened: 2, recovered: 1, nonsense: 3 };
    assert_eq!(account, expected);
}
