//! Checkpoint sequences against their reference.
#![cfg_attr(fuzzing, no_main)]

use arbitrary::{Arbitrary, Unstructured};
use ha_checkpoint_model::{Scenario, check};

ha_fuzz::target!(|bytes: &[u8]| {
    if let Ok(scenario) = Scenario::arbitrary(&mut Unstructured::new(bytes)) {
        check(&scenario);
    }
});
