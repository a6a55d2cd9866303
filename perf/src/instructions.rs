//! Instructions, counted by callgrind: the same on every run, whatever else the machine does.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::figures::{Figure, Unit};

/// Calls in the shorter one of two runs whose difference is what they cost.
const CALLS: u64 = 20_000;

/// How many instructions a call takes more through libha than without it.
pub(crate) fn of_calls(library: &Path) -> io::Result<Vec<Figure>> {
    let of = |what: &str, who: &str| of_one_call(library, what, who);
    let mut figures = Vec::new();
    for what in ["write", "read"] {
        let counts = at_the_same_time([("libc", what), ("uncovered", what), ("covered", what)], &of)?;
        let far = at_the_same_time([("uncovered-far", what), ("covered-far", what)], &of)?;
        let direct = at_the_same_time([("rustix", what), ("rust", what)], &of)?;
        let mut add =
            |name: &str, value| figures.push(Figure::new(format!("{what}: {name}"), value, Unit::Instructions));
        add("libc", counts[0]);
        add("cover adds, uncovered number", counts[1] - counts[0]);
        add("cover adds, covered number", counts[2] - counts[0]);
        add("cover adds, uncovered number from 1024 on", far[0] - counts[0]);
        add("cover adds, covered number from 1024 on", far[1] - counts[0]);
        add("Rust API adds", direct[1] - direct[0]);
    }
    Ok(figures)
}

fn at_the_same_time<const N: usize>(
    which: [(&str, &str); N],
    count: &(impl Fn(&str, &str) -> io::Result<f64> + Sync),
) -> io::Result<[f64; N]> {
    let mut counts = [0.0; N];
    std::thread::scope(|scope| {
        let threads = which.map(|(who, what)| scope.spawn(move || count(what, who)));
        for (place, thread) in counts.iter_mut().zip(threads) {
            *place = thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        }
        Ok(counts)
    })
}

fn of_one_call(library: &Path, what: &str, who: &str) -> io::Result<f64> {
    let this = std::env::current_exe()?;
    let run = |count: u64| {
        let count = count.to_string();
        let arguments: [&OsStr; 5] =
            ["calls".as_ref(), who.as_ref(), what.as_ref(), count.as_ref(), library.as_os_str()];
        of_program(&this, &arguments, None)
    };
    // What comes before and after the calls is the same in both, but for a few instructions that depend on addresses.
    Ok(((run(2 * CALLS)? - run(CALLS)?) / CALLS as f64).round())
}

/// How many instructions libha adds to the start and the end of a program that does nothing.
pub(crate) fn of_start(library: &Path) -> io::Result<Figure> {
    let program = Path::new("/bin/true");
    let added = of_program(program, &[], Some(library))? - of_program(program, &[], None)?;
    Ok(Figure::new("start: instructions added", added, Unit::Instructions))
}

/// All instructions of a program.
fn of_program(program: &Path, arguments: &[&OsStr], preload: Option<&Path>) -> io::Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args(arguments);
    if let Some(library) = preload {
        valgrind.env("LD_PRELOAD", library);
    }
    let output = valgrind.stdin(Stdio::null()).output().map_err(|why| {
        io::Error::new(why.kind(), format!("valgrind counts the instructions and cannot be run: {why}"))
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let counted = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    match counted {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(io::Error::other(format!("callgrind has counted nothing of {}:\n{said}", program.display()))),
    }
}
