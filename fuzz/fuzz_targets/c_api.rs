//! The C library, opened at run time, against what its headers promise. `HA_LIBRARY` says where libha.so is.
#![cfg_attr(fuzzing, no_main)]

#[path = "../../cover/tests/c_api/library.rs"]
mod library;
#[path = "../../cover/tests/c_api/model.rs"]
mod model;
#[path = "../../cover/tests/c_api/operation.rs"]
mod operation;
#[path = "../../cover/tests/c_api/script.rs"]
mod script;

use std::path::Path;
use std::sync::OnceLock;

use arbitrary::Unstructured;
use library::Library;

static LIBRARY: OnceLock<Library> = OnceLock::new();

ha_fuzz::target!(|bytes: &[u8]| {
    let library = LIBRARY.get_or_init(|| {
        let path = std::env::var_os("HA_LIBRARY").expect("HA_LIBRARY says where libha.so is");
        Library::open(Path::new(&path))
    });
    if let Ok(operations) = ha_simulation::all(&mut Unstructured::new(bytes)) {
        script::check(library, &operations);
    }
});
