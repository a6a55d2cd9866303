//! Compiles what has to be C because it is variadic, and says how the shared library is linked.

use std::{env, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=c");
    println!("cargo::rerun-if-changed=include");
    let mut c = cc::Build::new();
    c.file("c/panic.c").include("include").warnings(true).extra_warnings(true).flag("-fexceptions").opt_level(2);
    c.compile("checkpoint_c");

    let exported = format!("{}/c/panic.map", env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    for argument in ["-soname,libcheckpoint.so.1", &format!("--version-script={exported}")] {
        println!("cargo::rustc-cdylib-link-arg=-Wl,{argument}");
    }
    Ok(())
}
