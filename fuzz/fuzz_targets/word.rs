//! The word against an enum.
#![cfg_attr(fuzzing, no_main)]

use arbitrary::Unstructured;
use ha_simulation::{all, word_script};

ha_fuzz::target!(|bytes: &[u8]| {
    if let Ok(transitions) = all(&mut Unstructured::new(bytes)) {
        word_script::check(&transitions);
    }
});
