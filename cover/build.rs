//! Compiles the little that has to be C, and says how the shared library is linked.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-changed=names.txt");
    let is_static = env::var_os("CARGO_FEATURE_STATIC").is_some();
    let mut c = cc::Build::new();
    c.file("c/dprintf.c").warnings(true).extra_warnings(true).flag("-fexceptions").opt_level(2);
    if is_static {
        c.define("HA_STATIC", None).file(write_originals()?);
    }
    c.compile("ha_c");

    let exported = format!("{}/c/cover.map", env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    for argument in [
        "-soname,libha.so.1",
        // What stands in libc's tables must not be unmapped.
        "-z,nodelete",
        // Other constructors make calls, too.
        "-z,initfirst",
        &format!("--version-script={exported}"),
    ] {
        println!("cargo::rustc-cdylib-link-arg=-Wl,{argument}");
    }
    Ok(())
}

/// Writes the table of the originals of a program that is linked statically: those names of `names.txt` that it wraps.
fn write_originals() -> io::Result<PathBuf> {
    let names = fs::read_to_string("names.txt")?;
    let covered = names.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        match words.next()? {
            "#" | "-" => None,
            "+" => words.next(),
            word if word.starts_with('#') || word.starts_with("ha_") => None,
            word => Some(word),
        }
    });
    let (mut declarations, mut elements) = (String::new(), String::new());
    for name in covered {
        let _ = writeln!(declarations, "extern char __real_{name}[] __attribute__((weak));");
        let _ = writeln!(elements, "    {{ \"{name}\", __real_{name} }},");
    }
    let table = format!(
        "struct original {{ const char *name; void *function; }};\n{declarations}\
         extern const struct original ha_originals[];\n\
         const struct original ha_originals[] = {{\n{elements}    {{ 0, 0 }}\n}};\n"
    );
    let path = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("originals.c");
    fs::write(&path, table)?;
    Ok(path)
}
