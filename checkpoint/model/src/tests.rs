use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

use crate::{Scenario, check};

/// Bytes by a generator of its own, so that a seed says everything.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..64).flat_map(|_| next()).collect()
}

fn scenario(bytes: &[u8]) -> Option<Scenario> {
    Scenario::arbitrary(&mut Unstructured::new(bytes)).ok()
}

/// `HA_SEED=n` plays one scenario and shows it.
#[test]
fn ten_thousand_runs_go_as_the_reference_says() {
    if let Some(seed) = std::env::var("HA_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let scenario = scenario(&bytes(seed)).unwrap();
        eprintln!("{scenario:#?}");
        eprintln!("{:#?}", check(&scenario));
        return;
    }
    let (mut ran, mut longest) = (0, 0);
    for seed in 0..10_000 {
        let scenario = scenario(&bytes(seed)).unwrap();
        let functions = std::panic::catch_unwind(|| check(&scenario).len());
        let functions = functions.unwrap_or_else(|_| panic!("scenario {seed} fails; HA_SEED={seed} plays it alone"));
        ran += functions;
        longest = longest.max(functions);
    }
    // Runs in which nothing happens would agree as well.
    eprintln!("{ran} functions have run, {longest} in the longest run");
    assert!(ran > 20_000 && longest > 20, "{ran}, {longest}");
}

proptest! {
    #[test]
    fn a_fuzzers_bytes_make_runs_that_go_as_the_reference_says(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Some(scenario) = scenario(&bytes) {
            check(&scenario);
        }
    }
}
