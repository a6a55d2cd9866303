//! `make install`, and programs that are compiled and linked as pkg-config says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};

const PREFIX: &str = "usr/local";

/// Everything, built and installed once; the directory is `DESTDIR`.
fn installed() -> &'static Path {
    static DESTINATION: OnceLock<PathBuf> = OnceLock::new();
    DESTINATION.get_or_init(|| {
        let destination = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed");
        if destination.exists() {
            std::fs::remove_dir_all(&destination).unwrap();
        }
        make(&["all"], &destination);
        make(&["install"], &destination);
        destination
    })
}

fn make(targets: &[&str], destination: &Path) {
    let mut make = Command::new("make");
    make.arg("-C").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(targets);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    make.arg(format!("CARGO={}", env!("CARGO"))).arg(format!("CARGO_TARGET_DIR={}", target.display()));
    make.arg(format!("DESTDIR={}", destination.display()));
    output_of(make.env_remove("MAKEFLAGS"));
}

/// What a command prints; it must succeed.
fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

fn flags(options: &[&str]) -> Vec<String> {
    flags_of("ha", options)
}

fn flags_of(library: &str, options: &[&str]) -> Vec<String> {
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(options).arg(library);
    pkg_config.env("PKG_CONFIG_PATH", installed().join(PREFIX).join("lib/pkgconfig"));
    pkg_config.env("PKG_CONFIG_SYSROOT_DIR", installed());
    output_of(&mut pkg_config).split_whitespace().map(str::to_owned).collect()
}

/// `cc name.c $(pkg-config ...)`, the program named as given.
fn compile(source: &Path, flags: &[String], program: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(program);
    output_of(Command::new("cc").arg("-o").arg(&program).arg(source).args(flags));
    program
}

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/installed.c")
}

fn run(program: &Path) -> String {
    output_of(Command::new(program).env("LD_LIBRARY_PATH", installed().join(PREFIX).join("lib")))
}

/// The files below a directory, as paths relative to it.
fn files_below(directory: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            files.insert(name);
        }
    }
    files
}

fn library_file(name: &str) -> String {
    format!("lib/{name}.so.1.{}", env!("CARGO_PKG_VERSION"))
}

#[test]
fn headers_libraries_and_the_command_are_installed() {
    let expected: BTreeSet<_> = [
        "bin/ha",
        "include/checkpoint.h",
        "include/ha/cover.h",
        "include/ha/fcntl.h",
        "include/ha/neutrino.h",
        "include/ha/stdio.h",
        "include/ha/types.h",
        "include/ha/unistd.h",
        "lib/libcheckpoint.a",
        "lib/libcheckpoint.so",
        "lib/libcheckpoint.so.1",
        &library_file("libcheckpoint"),
        "lib/libha.a",
        "lib/libha.so",
        "lib/libha.so.1",
        &library_file("libha"),
        "lib/pkgconfig/checkpoint.pc",
        "lib/pkgconfig/ha.pc",
    ]
    .map(str::to_owned)
    .into();
    let prefix = installed().join(PREFIX);
    assert_eq!(files_below(&prefix), expected);
    for name in ["libha", "libcheckpoint"] {
        let file = prefix.join(library_file(name)).canonicalize().unwrap();
        for link in ["so", "so.1"] {
            assert_eq!(prefix.join(format!("lib/{name}.{link}")).canonicalize().unwrap(), file);
        }
    }
    assert_eq!(flags(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    assert_eq!(flags_of("checkpoint", &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
}

#[test]
fn uninstalling_leaves_nothing() {
    let destination = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uninstalled");
    installed();
    make(&["install"], &destination);
    assert!(!files_below(&destination).is_empty());
    make(&["uninstall"], &destination);
    assert_eq!(files_below(&destination), BTreeSet::new());
    assert!(!destination.join(PREFIX).join("include/ha").exists());
}

#[test]
fn a_client_linked_as_pkg_config_says_is_covered() {
    let program = compile(&client(), &flags(&["--cflags", "--libs"]), "client");
    assert_eq!(run(&program), "recovered\n");
}

#[test]
fn a_program_that_calls_no_function_of_libha_loads_it_in_front_of_libc_all_the_same() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plain.c");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let mut options = vec!["-Wl,--as-needed".to_owned()];
    options.extend(flags(&["--cflags", "--libs"]));
    let program = compile(&source, &options, "plain");
    let mut ldd = Command::new("ldd");
    let loaded = output_of(ldd.arg(program).env("LD_LIBRARY_PATH", installed().join(PREFIX).join("lib")));
    let position = |name| loaded.find(name).unwrap_or_else(|| panic!("{name} is not loaded:\n{loaded}"));
    assert!(position("libha.so.1 =>") < position("libc.so.6 =>"), "{loaded}");
}

#[test]
fn a_static_client_is_covered() {
    for (option, name) in [("-static", "client-static"), ("-static-pie", "client-static-pie")] {
        let mut options = vec![option.to_owned()];
        options.extend(flags(&["--static", "--cflags", "--libs"]));
        assert_eq!(run(&compile(&client(), &options, name)), "recovered\n", "{option}");
    }
}

#[test]
fn a_static_program_starts_libha() {
    let mut options = vec!["-static".to_owned()];
    options.extend(flags(&["--static", "--cflags", "--libs"]));
    let program = compile(&client(), &options, "client-that-logs");
    let output = Command::new(program).env("HA_LOG", "debug").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.lines().next().is_some_and(|line| line.contains("in front of libc")), "{log}");
}

#[test]
fn a_static_program_linked_without_the_options_can_tell_that_it_is_not_covered() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("uncovered.c");
    std::fs::write(&source, "#include <ha/cover.h>\nint main(void) { printf(\"%u\", ha_coverage()); }\n").unwrap();
    let library = installed().join(PREFIX).join("lib/libha.a");
    let mut options = vec!["-static".to_owned(), library.display().to_string()];
    options.extend(flags(&["--cflags"]));
    assert_eq!(run(&compile(&source, &options, "uncovered")), "0");
}

#[test]
fn every_function_that_the_linker_wraps_has_its_cover_in_the_archive() {
    let flags = flags(&["--static", "--libs"]);
    let wrapped: BTreeSet<_> =
        flags.iter().flat_map(|flag| flag.split(',')).filter_map(|option| option.strip_prefix("--wrap=")).collect();
    assert!(wrapped.contains("__write"), "{flags:?}");

    let bytes = std::fs::read(installed().join(PREFIX).join("lib/libha.a")).unwrap();
    let archive = ArchiveFile::parse(&*bytes).unwrap();
    let mut defined = BTreeSet::new();
    for member in archive.members() {
        let member = member.unwrap();
        let object = object::File::parse(member.data(&*bytes).unwrap()).unwrap();
        let symbols = object.symbols().filter(|symbol| symbol.is_global() && symbol.is_definition());
        defined.extend(symbols.filter_map(|symbol| Some(symbol.name().unwrap().strip_prefix("__wrap_")?.to_owned())));
    }
    let missing: Vec<_> = wrapped.into_iter().filter(|name| !defined.contains(*name)).collect();
    assert!(missing.is_empty(), "libha.a has no cover of {missing:?}");
}

#[test]
fn a_client_of_libcheckpoint_is_linked_both_ways_and_beside_libha() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sequence.c");
    let text = "#include <checkpoint.h>\n\
                #include <stdio.h>\n\
                static int finish(HC_Sequence_t *sequence, void *userdata)\n\
                { (void)userdata; return HC_NormalSuccess(sequence, 0); }\n\
                int main(void) {\n\
                    HC_NodelistNode_t list[] = { { 1, HC_NORMALFUNC, finish }, { 0, HC_LISTEND, NULL } };\n\
                    puts(HC_Strerror(HC_CallSequence(HC_NewSequence(list), NULL, 1)));\n\
                }\n";
    std::fs::write(&source, text).unwrap();
    let (dynamic, fixed) = (&["--cflags", "--libs"][..], &["--static", "--cflags", "--libs"][..]);
    for (name, libraries, options, more) in [
        ("sequence", &["checkpoint"][..], dynamic, None),
        ("sequence-static", &["checkpoint"], fixed, Some("-static")),
        ("sequence-covered", &["checkpoint", "ha"], dynamic, None),
        ("sequence-covered-static", &["checkpoint", "ha"], fixed, Some("-static")),
    ] {
        let mut flags: Vec<_> = libraries.iter().flat_map(|library| flags_of(library, options)).collect();
        flags.extend(more.map(str::to_owned));
        assert_eq!(run(&compile(&source, &flags, name)), "finished\n", "{name}");
    }
}
