//! Scenarios by the thousand, and a slice of what the fuzzer plays.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

use super::{Played, Scenario, check};

const FIRST: u64 = 0;
const COUNT: u64 = 10_000;

/// `HA_SEED=n` plays one scenario and shows it.
#[test]
fn ten_thousand_scenarios_go_as_the_reference_says() {
    if let Some(seed) = std::env::var("HA_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let scenario = Scenario::from_seed(seed);
        eprintln!("{scenario:#?}\n{:#?}", check(&scenario));
        return;
    }
    let mut all = Played::default();
    for seed in FIRST..FIRST + COUNT {
        let scenario = Scenario::from_seed(seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&scenario)));
        all += outcome.unwrap_or_else(|_| panic!("scenario {seed} fails; HA_SEED={seed} plays it alone"));
    }
    eprintln!("{all:?}");
    // Scenarios in which nothing happens would agree as well.
    let Played { written, broken, interrupted, refused, inner, recoveries, attempts } = all;
    let counts = [written, broken, interrupted, refused, inner, attempts];
    assert!(counts.iter().all(|count| *count > 1000), "{all:?}");
    assert!(recoveries > 10_000, "{all:?}");
}

proptest! {
    #[test]
    fn a_fuzzers_bytes_make_scenarios_that_go_as_the_reference_says(bytes in prop::collection::vec(any::<u8>(), 0..900)) {
        if let Ok(scenario) = Scenario::arbitrary(&mut Unstructured::new(&bytes)) {
            check(&scenario);
        }
    }
}
