//! What is not started, and with which exit status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::installation::{Installation, outcome};

const PROGRAM: &str = "int main(void) { return 0; }";

#[test]
fn a_missing_program_is_status_127() {
    let installation = Installation::new();
    assert!(installation.refused(Path::new("no-such-program-here"), 127).contains("not found in PATH"));
    assert!(installation.refused(Path::new("./no-such-program-here"), 127).contains("no such file"));
    let script = installation.script("orphan", "#!/no/such/interpreter\n");
    assert!(installation.refused(&script, 127).contains("/no/such/interpreter"));
}

#[test]
fn a_file_that_may_not_be_executed_is_status_126() {
    let installation = Installation::new();
    fs::write(installation.path("plain"), "").unwrap();
    installation.refused(Path::new("./plain"), 126);
    installation.refused(Path::new("/"), 126);
}

#[test]
fn a_mistake_in_the_options_is_status_125() {
    let installation = Installation::new();
    for (arguments, expected) in [
        (&["--frobnicate", "true"][..], "--frobnicate"),
        (&[], "PROGRAM"),
        (&["--reopen", "/mnt/[a", "true"], "/mnt/[a"),
        (&["--reconnect", "nowhere", "true"], "nowhere"),
        (&["--deadline", "soon", "true"], "soon"),
        (&["--replay=much", "true"], "much"),
        (&["--lib", "/no/such/libha.so", "true"], "/no/such/libha.so"),
    ] {
        let (status, _, said) = outcome(&installation.ha(arguments).output().unwrap());
        assert_eq!(status, Some(125), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    assert!(installation.ha(&["--help"]).status().unwrap().success());
}

#[test]
fn without_library_the_places_are_named() {
    let installation = Installation::new();
    fs::remove_file(installation.path("libha.so")).unwrap();
    let (status, _, said) = outcome(&installation.ha(&["true"]).output().unwrap());
    assert_eq!(status, Some(125));
    for expected in [installation.path("libha.so").to_str().unwrap(), "cargo build --release -p ha-cover", "--lib"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_static_binary_is_refused() {
    let installation = Installation::new();
    let program = installation.compile("static", PROGRAM, &["-static"]);
    assert!(installation.refused(&program, 126).contains("statically linked"));
    let program = installation.compile("static-pie", PROGRAM, &["-static-pie"]);
    assert!(installation.refused(&program, 126).contains("statically linked"));
}

#[test]
fn a_script_under_a_static_interpreter_is_refused() {
    let installation = Installation::new();
    installation.compile("static", PROGRAM, &["-static"]);
    let script = installation.script("script", &format!("#!{}\n", installation.path("static").display()));
    let said = installation.refused(&script, 126);
    assert!(said.contains("script: runs under") && said.contains("statically linked"), "{said}");
}

#[test]
fn as_many_scripts_may_interpret_each_other_as_for_the_kernel() {
    let installation = Installation::new();
    let mut interpreter = PathBuf::from("/bin/true");
    for depth in 1..=7 {
        interpreter = installation.script(&format!("script-{depth}"), &format!("#!{}\n", interpreter.display()));
        // Without a shell, which would read the script itself when the kernel does not.
        let alone = Command::new(&interpreter).status();
        let status = installation.ha(&[&interpreter]).stderr(Stdio::null()).status().unwrap();
        let expected = if alone.is_ok_and(|status| status.success()) { 0 } else { 126 };
        assert_eq!(status.code(), Some(expected), "{depth} scripts");
    }
}

#[test]
fn a_program_for_another_c_library_is_refused() {
    let installation = Installation::new();
    let program = installation.compile("other", PROGRAM, &["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"]);
    let said = installation.refused(&program, 126);
    assert!(said.contains("/lib/ld-musl-x86_64.so.1") && said.contains("glibc"), "{said}");
}

#[test]
fn a_program_for_another_machine_is_refused() {
    let installation = Installation::new();
    let program = installation.compile("other", PROGRAM, &[]);
    let mut bytes = fs::read(&program).unwrap();
    // The low byte of e_machine; 8 is MIPS.
    bytes[18] = 8;
    fs::write(&program, bytes).unwrap();
    assert!(installation.refused(&program, 126).contains("machine number 8"));
}
