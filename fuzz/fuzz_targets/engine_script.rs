//! The engine, under a virtual clock, against its reference.
#![cfg_attr(fuzzing, no_main)]

use arbitrary::{Arbitrary, Unstructured};
use ha_simulation::engine::{Scenario, check};

ha_fuzz::target!(|bytes: &[u8]| {
    if let Ok(scenario) = Scenario::arbitrary(&mut Unstructured::new(bytes)) {
        check(&scenario);
    }
});
