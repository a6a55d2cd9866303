//! Headers: what compilers say about them, and what they declare.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::build::package;

/// The errors and warnings that a compiler has about a source text; none if it is empty.
pub(crate) fn complaints(compiler: &str, language: &str, standard: &str, source: &str) -> String {
    let mut child = Command::new(compiler)
        .args(["-x", language, &format!("-std={standard}"), "-Wall", "-Wextra", "-Werror", "-pedantic"])
        .args(["-fsyntax-only", "-I"])
        .arg(package().join("include"))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{compiler}: {error}; the headers are checked with cc and c++ (packages gcc, g++)")
        });
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), complaints.is_empty(), "{compiler} -std={standard}: {complaints}");
    complaints
}

pub(crate) fn is_installed(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Panics unless a header compiles alone, and a second time, in every standard that a client may use.
pub(crate) fn compiles_everywhere(header: &str) {
    let source = format!("#include <{header}>\n#include <{header}>\n");
    for (compiler, language, standards) in [
        ("cc", "c", &["c99", "c11", "c2x"][..]),
        ("clang", "c", &["c99", "c11", "c2x"]),
        ("c++", "c++", &["c++98", "c++17"]),
        ("clang++", "c++", &["c++98", "c++17"]),
    ] {
        if compiler.starts_with("clang") && !is_installed(compiler) {
            continue;
        }
        for standard in standards {
            let complaints = complaints(compiler, language, standard, &source);
            assert!(complaints.is_empty(), "{compiler} -std={standard}, {header}:\n{complaints}");
        }
    }
}

/// What a header declares: every `prefix_name(` outside of comments.
pub(crate) fn declares(header: &str, prefix: &str) -> BTreeSet<String> {
    let code: String = header
        .split("/*")
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once("*/").unwrap().1 })
        .collect();
    code.split('(').filter_map(last_word).filter(|word| word.starts_with(prefix)).map(str::to_owned).collect()
}

pub(crate) fn last_word(text: &str) -> Option<&str> {
    text.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}
