//! Programs that know nothing of libha run under it as they run without it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use support::{Ended, Program, compile, library, scenarios, shared, skipped};

/// Runs a program twice, and expects the same of it with libha in front of libc.
fn behaves_the_same(program: impl Fn() -> Program) -> Ended {
    let without = program().run();
    let with = program().with_preload().run();
    assert_eq!(with.text(), without.text());
    assert_eq!(with.errors, without.errors);
    assert_eq!(with.status, without.status);
    with
}

fn shell(shell: &str, script: &str) -> Ended {
    behaves_the_same(|| Program::new(shell).arguments(&["-c", script]))
}

fn find(name: &str, directories: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    directories.into_iter().map(|directory| directory.join(name)).find(|path| path.exists())
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find(program, std::env::split_paths(&path)).is_some()
}

#[test]
fn pipelines_of_the_shell() {
    let ended = shell("/bin/sh", "seq 1 20000 | sort -rn | head -3; echo hello | tr a-z A-Z | cat -n");
    assert_eq!(ended.text(), "20000\n19999\n19998\n     1\tHELLO\n");
}

#[test]
fn redirections_of_the_shell() {
    let ended = shell(
        "/bin/sh",
        "exec 3>out 4<&0; echo one >&3; (echo two; exec 3>&-) >&3; cat <<END >&3
three
END
exec 3>&-; cat out 2>&1; cat nowhere; echo $?; { echo x; echo y >&2; } 2>&1 | wc -l; exec 5<out; read line <&5; echo $line",
    );
    assert!(ended.text().starts_with("one\ntwo\nthree\n1\n"), "{}", ended.text());
}

#[test]
fn jobs_of_the_shell() {
    let ended = shell("/bin/sh", "for i in 1 2 3 4; do (exit $i) & wait $!; echo $?; done; kill -9 $$");
    assert_eq!(ended.text(), "1\n2\n3\n4\n");
    assert!(!ended.status.success());
}

#[test]
fn processes_of_bash() {
    if !is_installed("bash") {
        return skipped("there is no bash");
    }
    let ended = shell(
        "bash",
        "diff <(seq 5) <(seq 6); coproc cat; echo through >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x; \
         mapfile -t lines < <(printf '%s\\n' a b c); echo ${#lines[@]}; exec {n}</dev/null; exec {n}<&-",
    );
    assert_eq!(ended.text(), "5a6\n> 6\nthrough\n3\n");
}

#[test]
fn processes_and_sockets_of_python() {
    if !is_installed("python3") {
        return skipped("there is no python3");
    }
    let script = r#"
import os, select, socket, subprocess, sys, tempfile, threading
print(subprocess.run(["cat"], input=b"through a pipe", stdout=subprocess.PIPE).stdout)
print(subprocess.run("echo $0 >&2; exit 3", shell=True, stderr=subprocess.PIPE, close_fds=True))
print(subprocess.check_output(["ls", "/proc/self/fd"], close_fds=True, pass_fds=[]).split())
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    connection, _ = listener.accept()
    with connection, connection.makefile("rwb") as stream:
        for line in stream:
            stream.write(line.upper()); stream.flush()
thread = threading.Thread(target=serve); thread.start()
with socket.create_connection(listener.getsockname()) as client:
    for text in b"one\n", b"two\n":
        client.sendall(text)
        select.select([client], [], [])
        print(client.recv(10))
thread.join()
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 100000); file.flush(); os.fsync(file.fileno())
    print(os.fstat(file.fileno()).st_size, os.pread(file.fileno(), 3, 99998))
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let ended = behaves_the_same(|| Program::new("python3").arguments(&["-c", script])).silently();
    assert!(ended.text().contains("b'through a pipe'\n"), "{}", ended.text());
    assert!(ended.text().ends_with("7\n"), "{}", ended.text());
}

#[test]
fn another_allocator() {
    let directories =
        ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let Some(jemalloc) = find("libjemalloc.so.2", directories.map(PathBuf::from)) else {
        return skipped("there is no libjemalloc.so.2");
    };
    for order in [[library(), &jemalloc], [&jemalloc, library()]] {
        let under = |program: Program| program.preload(order[0]).preload(order[1]).run().silently();
        under(scenarios::program("attachment.c").argument("one_recovery_repairs_every_number"));
        // An allocator locks itself while the process forks, so libha must not allocate then.
        under(scenarios::program("processes.c").argument("a_daemon_keeps_its_connections_and_loses_its_streams"));
        under(scenarios::program("stdio_output.c").argument("what_is_flushed_at_exit_is_recovered"));
        let ended = under(Program::new("/bin/sh").arguments(&["-c", "seq 1 1000 | sort -rn | head -1"]));
        assert_eq!(ended.text(), "1000\n");
    }
}

/// Runs a program with two libraries in front of libc, and returns how many reads and writes the other one has seen.
fn counted(program: Program, order: [&Path; 2]) -> (u32, u32) {
    let counts = tempfile::NamedTempFile::new().unwrap();
    let program = program.environment("COUNT_CALLS", counts.path());
    program.preload(order[0]).preload(order[1]).run().silently();
    let counts = std::fs::read_to_string(counts.path()).unwrap();
    let (reads, writes) = counts.trim().split_once(' ').unwrap_or_else(|| panic!("no counts: {counts:?}"));
    (reads.parse().unwrap(), writes.parse().unwrap())
}

#[test]
fn another_preload_before_and_after_libha() {
    let other = compile("count_calls.c", &shared());
    for order in [[library(), &other], [&other, library()]] {
        let copy = tempfile::NamedTempFile::new().unwrap();
        let output = format!("of={}", copy.path().display());
        let dd = Program::new("dd").arguments(&["if=/dev/zero", &output, "bs=1000", "count=100", "status=none"]);
        let (reads, writes) = counted(dd, order);
        assert!(reads >= 100 && writes >= 100, "{order:?}: {reads} reads, {writes} writes");
        assert_eq!(copy.as_file().metadata().unwrap().len(), 100_000);
    }
}

#[test]
fn a_recovery_with_another_preload_before_and_after_libha() {
    let other = compile("count_calls.c", &shared());
    for order in [[library(), &other], [&other, library()]] {
        let program = scenarios::program("attachment.c").argument("one_recovery_repairs_every_number");
        let (reads, writes) = counted(program, order);
        // Behind libha a write to a socket has become a `send` that raises no signal.
        assert!(reads > 0 && (writes > 0 || order[0] == library()), "{order:?}: {reads} reads, {writes} writes");
    }
}
