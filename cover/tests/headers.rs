//! The headers: they compile wherever a client may include them, and say what the Rust side says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;

use support::build::package;
use support::headers::{compiles_everywhere, complaints, declares, last_word};

/// A variadic function is a fixed one with an argument more to Rust, which is the same to the ABI.
const VARIADIC: [&str; 3] = ["ha_open", "ha_open64", "ha_reopen"];

fn include() -> PathBuf {
    package().join("include")
}

fn headers() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(include().join("ha"))
        .unwrap()
        .map(|entry| format!("ha/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    names.sort();
    assert!(names.contains(&"ha/cover.h".to_owned()), "{names:?}");
    names
}

/// What a header declares.
fn declared_in(header: &str) -> BTreeSet<String> {
    declares(&std::fs::read_to_string(include().join(header)).unwrap(), "ha_")
}

/// The prototypes of the `ha_` functions, and the types in them, as cbindgen reads them off the Rust side.
fn declarations() -> Vec<String> {
    let mut config = cbindgen::Config { language: cbindgen::Language::C, line_length: 1000, ..Default::default() };
    config.function.args = cbindgen::Layout::Horizontal;
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_crate(env!("CARGO_MANIFEST_DIR"))
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut text);
    let text = String::from_utf8(text).unwrap();
    let is_needed = |line: &&str| name_of(line).is_some() || line.starts_with("typedef ");
    text.lines().filter(is_needed).map(str::to_owned).collect()
}

fn name_of(declaration: &str) -> Option<&str> {
    last_word(declaration.split_once('(')?.0).filter(|name| name.starts_with("ha_"))
}

/// `int ha_open(..., unsigned int haflags, mode_t mode);` with `...` for its last argument.
fn as_in_c(declaration: &str) -> String {
    match name_of(declaration) {
        Some(name) if VARIADIC.contains(&name) => format!("{}, ...);", declaration.rsplit_once(',').unwrap().0),
        _ => declaration.to_owned(),
    }
}

fn beside_the_headers(declarations: &[String]) -> String {
    let declarations: Vec<_> = declarations.iter().map(|declaration| as_in_c(declaration)).collect();
    format!("#include <ha/cover.h>\n{}\n", declarations.join("\n"))
}

#[test]
fn each_header_compiles_alone_and_twice_in_every_standard() {
    for header in headers() {
        compiles_everywhere(&header);
    }
}

#[test]
fn one_header_is_enough_for_a_client() {
    let source = "#include <ha/cover.h>\n\
                  RFp function = 0;\n\
                  unsigned constants = HAREPLACERECOVERYFN | HA_RECOVERY_SUSPEND | HA_COVERS_CALLS | HA_COVERS_STDIO;\n\
                  int client(void) { return ha_close(ha_dup(ha_open(\"\", O_RDONLY, function, 0, 0))); }\n\
                  int stream(void) { return ha_fclose(ha_fopen(\"\", \"r\", function, 0, 0)); }\n";
    let complaints = complaints("cc", "c", "c99", source);
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn the_prototypes_agree_with_the_rust_side() {
    let source = beside_the_headers(&declarations());
    let complaints = complaints("cc", "c", "c11", &source);
    assert!(
        complaints.is_empty(),
        "the headers and what cbindgen reads from cover/src differ:\n{complaints}\n{source}"
    );
}

#[test]
fn a_prototype_that_differs_is_noticed() {
    let mut declarations = declarations();
    let detach = declarations.iter_mut().find(|declaration| name_of(declaration) == Some("ha_detach")).unwrap();
    *detach = detach.replace("(int ", "(long ");
    let complaints = complaints("cc", "c", "c11", &beside_the_headers(&declarations));
    assert!(complaints.contains("conflicting types for"), "{complaints}");
}

#[test]
fn the_headers_declare_what_the_library_has_and_message_passing_besides() {
    let declarations = declarations();
    let defined: BTreeSet<_> = declarations.iter().filter_map(|line| name_of(line)).map(str::to_owned).collect();
    let message_passing = declared_in("ha/neutrino.h");
    assert_eq!(message_passing.len(), 5, "{message_passing:?}");
    let declared: BTreeSet<_> = headers().iter().flat_map(|header| declared_in(header)).collect();
    // Only with the feature `steps`, which is for tests.
    let hook = BTreeSet::from(["ha_test_at_every_step".to_owned()]);
    assert_eq!(declared, &(&defined - &hook) | &message_passing);
    assert!(defined.is_disjoint(&message_passing), "there are stubs of {message_passing:?}");
}
