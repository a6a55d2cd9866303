//! The header and the library: they name the same things, and say the same about them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;

use cbindgen::ItemType;
use support::build::package;
use support::headers::{compiles_everywhere, complaints, declares, last_word};
use support::library;
use support::symbols::defined_in;

/// In C, because they are variadic or belong to one that is.
const IN_C: [&str; 2] = ["HC_Panic", "HC_SetPanicHook"];

fn golden() -> BTreeSet<String> {
    let names = include_str!("../names.txt").lines();
    names.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// What cbindgen reads off the Rust side.
fn rust_side(items: &[ItemType], prefix: &str) -> String {
    let mut config = cbindgen::Config { language: cbindgen::Language::C, line_length: 1000, ..Default::default() };
    config.function.args = cbindgen::Layout::Horizontal;
    config.style = cbindgen::Style::Type;
    config.export.item_types = items.to_vec();
    config.export.prefix = Some(prefix.to_owned());
    let mut text = Vec::new();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["values.rs", "interface.rs"] {
        builder = builder.with_src(package().join("src").join(file));
    }
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

fn prototypes() -> Vec<String> {
    let text = rust_side(&[ItemType::Functions], "");
    text.lines().filter(|line| name_of(line).is_some()).map(str::to_owned).collect()
}

fn name_of(prototype: &str) -> Option<&str> {
    last_word(prototype.split_once('(')?.0).filter(|name| name.starts_with("HC_"))
}

fn beside_the_header(lines: &[String]) -> String {
    format!("#include <checkpoint.h>\n#include <stddef.h>\n{}\n", lines.join("\n"))
}

#[test]
fn it_compiles_alone_and_twice_in_every_standard() {
    compiles_everywhere("checkpoint.h");
}

#[test]
fn it_brings_what_clients_rely_on() {
    let source = "#include <checkpoint.h>\nint client(char *text) { memset(text, 0, 1); sleep(1); return close(0); }\n";
    assert_eq!(complaints("cc", "c", "c99", source), "");
}

#[test]
fn the_example_in_the_readme_compiles() {
    let readme = std::fs::read_to_string(package().join("../../README.md")).unwrap();
    let mut examples = readme.split("```c\n").filter_map(|rest| rest.split("```").next());
    let example = examples.find(|example| example.contains("<checkpoint.h>")).unwrap();
    for standard in ["c99", "c2x"] {
        // The function pointers of a node list, and the parameters of its functions, are what HAFTA made them.
        let example = format!(
            "#pragma GCC diagnostic ignored \"-Wpedantic\"\n\
            #pragma GCC diagnostic ignored \"-Wunused-parameter\"\n{example}"
        );
        assert_eq!(complaints("cc", "c", standard, &example), "");
    }
}

#[test]
fn its_prototypes_agree_with_the_rust_side() {
    let prototypes = prototypes();
    let source = beside_the_header(&prototypes);
    let complaints = complaints("cc", "c", "c11", &source);
    assert!(complaints.is_empty(), "{complaints}\n{source}");
    let mut defined: BTreeSet<_> = prototypes.iter().filter_map(|line| name_of(line)).map(str::to_owned).collect();
    defined.extend(IN_C.map(str::to_owned));
    assert_eq!(defined, golden());
}

#[test]
fn a_prototype_that_differs_is_noticed() {
    let prototypes: Vec<_> = prototypes().iter().map(|line| line.replace("long node)", "int node)")).collect();
    let complaints = complaints("cc", "c", "c11", &beside_the_header(&prototypes));
    assert!(complaints.contains("conflicting types for"), "{complaints}");
}

/// `#define HC_OK 0` on the Rust side, for each constant of the header.
#[test]
fn its_constants_agree_with_the_rust_side() {
    let text = rust_side(&[ItemType::Constants], "");
    let constants: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#define HC_")?.split_once(' ')).collect();
    assert_eq!(constants.len(), 32, "{text}");
    let checks = constants.iter().map(|(name, value)| format!("_Static_assert(HC_{name} == {value}, \"HC_{name}\");"));
    assert_eq!(complaints("cc", "c", "c11", &beside_the_header(&checks.collect::<Vec<_>>())), "");
}

/// The same members, in the same places, with the same types.
#[test]
fn its_structures_agree_with_the_rust_side() {
    let mut source = beside_the_header(&[rust_side(&[ItemType::Structs, ItemType::Typedefs], "Rust_")]);
    for (structure, members) in [
        ("HC_NodelistNode_t", &["node", "kind", "function"][..]),
        ("HC_Observation_t", &["what", "node", "event", "verdict", "data", "attempt"]),
    ] {
        let _ = writeln!(source, "_Static_assert(sizeof({structure}) == sizeof(Rust_{structure}), \"{structure}\");");
        for member in members {
            let _ = writeln!(
                source,
                "_Static_assert(offsetof({structure}, {member}) == offsetof(Rust_{structure}, {member}), \"{member}\");\n\
                 _Static_assert(__builtin_types_compatible_p(__typeof__((({structure} *)0)->{member}), \
                 __typeof__(((Rust_{structure} *)0)->{member})), \"{member}\");"
            );
        }
    }
    let complaints = complaints("cc", "c", "c11", &source);
    assert!(complaints.is_empty(), "{complaints}\n{source}");
}

#[test]
fn it_declares_what_the_library_exports_and_what_the_golden_list_says() {
    let exported: BTreeSet<_> = defined_in(library()).into_iter().map(|symbol| symbol.name).collect();
    assert_eq!(exported, golden(), "if this is meant, change checkpoint/capi/names.txt");
    let header = std::fs::read_to_string(package().join("include/checkpoint.h")).unwrap();
    assert_eq!(declares(&header, "HC_"), golden());
}
