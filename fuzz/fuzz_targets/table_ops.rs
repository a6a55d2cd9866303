//! The table against a map.
#![cfg_attr(fuzzing, no_main)]

use arbitrary::Unstructured;
use ha_simulation::{all, table_script};

ha_fuzz::target!(|bytes: &[u8]| {
    if let Ok(operations) = all(&mut Unstructured::new(bytes)) {
        table_script::check(&operations);
    }
});
