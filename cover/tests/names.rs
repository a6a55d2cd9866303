//! The names that libha.so exports: those of `names.txt`, none besides, and no sibling of them forgotten.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use support::symbols::{Symbol, defined_in};

const GOLDEN: &str = include_str!("../names.txt");

/// What a line of `names.txt` says about its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Exported,
    OnlyStatic,
    NotCovered,
}

fn golden() -> BTreeMap<&'static str, Entry> {
    let mut entries = BTreeMap::new();
    for line in GOLDEN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (entry, name) = match words.next().unwrap() {
            "+" => (Entry::OnlyStatic, words.next().unwrap()),
            "-" => (Entry::NotCovered, words.next().unwrap()),
            name => (Entry::Exported, name),
        };
        assert_eq!(words.next().is_some(), entry != Entry::Exported, "names.txt: `{line}`: + and - have a reason");
        assert!(entries.insert(name, entry).is_none(), "names.txt has {name} twice");
    }
    entries
}

fn exported() -> BTreeSet<&'static str> {
    golden().into_iter().filter_map(|(name, entry)| (entry == Entry::Exported).then_some(name)).collect()
}

/// The C library that this test runs with.
fn libc() -> Vec<Symbol> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps
        .split_whitespace()
        .find(|word| word.ends_with("/libc.so.6"))
        .expect("this test needs glibc, which is what libha.so is for");
    defined_in(Path::new(path))
}

/// `read` of `__read_chk`, `open` of `__open64_2`, `preadv2` of `preadv64v2`.
fn stem(name: &str) -> String {
    let bare = ["__libc_", "_IO_", "__"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let bare = ["_chk", "_2", "_time64"].iter().find_map(|suffix| bare.strip_suffix(suffix)).unwrap_or(bare);
    match bare.strip_suffix("64v2") {
        Some(base) => format!("{base}2"),
        None => bare.strip_suffix("64").unwrap_or(bare).to_owned(),
    }
}

#[test]
fn the_library_exports_what_the_golden_file_names_and_nothing_else() {
    let symbols = defined_in(support::library());
    let actual: BTreeSet<_> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
    let expected = exported();
    let difference: Vec<_> = actual
        .difference(&expected)
        .map(|name| format!("exported, but not in cover/names.txt: {name}"))
        .chain(expected.difference(&actual).map(|name| format!("in cover/names.txt, but not exported: {name}")))
        .collect();
    assert!(
        difference.is_empty(),
        "{}\nIf this is meant, add or take out these lines in cover/names.txt, each in its group.",
        difference.join("\n")
    );
}

#[test]
fn no_sibling_that_libc_has_of_a_covered_name_is_left_uncovered() {
    let golden = golden();
    let stems: BTreeSet<_> = exported().into_iter().filter(|name| !name.starts_with("ha_")).map(stem).collect();
    let forgotten: Vec<_> = libc()
        .into_iter()
        .filter(|symbol| symbol.public && stems.contains(&stem(&symbol.name)))
        .filter(|symbol| !golden.contains_key(symbol.name.as_str()))
        .map(|symbol| symbol.name)
        .collect();
    assert!(
        forgotten.is_empty(),
        "libc has these beside names that are covered: {}\n\
         Cover them, or write `- NAME  the reason why not` into cover/names.txt.",
        forgotten.join(", ")
    );
}

#[test]
fn nothing_is_covered_that_libc_does_not_have() {
    let libc: BTreeSet<_> = libc().into_iter().map(|symbol| symbol.name).collect();
    let invented: Vec<_> =
        exported().into_iter().filter(|name| !name.starts_with("ha_") && !libc.contains(*name)).collect();
    assert!(
        invented.is_empty(),
        "a configure script that looks for these would believe that libc has them: {}",
        invented.join(", ")
    );
}

#[test]
fn siblings_are_told_by_their_stem() {
    for (name, expected) in [
        ("read", "read"),
        ("__read", "read"),
        ("__read_chk", "read"),
        ("__pread64_chk", "pread"),
        ("__libc_pread64", "pread"),
        ("__open64_2", "open"),
        ("preadv64v2", "preadv2"),
        ("__recvmsg_time64", "recvmsg"),
        ("_IO_fclose", "fclose"),
        ("dup2", "dup2"),
        ("_exit", "_exit"),
    ] {
        assert_eq!(stem(name), expected, "{name}");
    }
}
