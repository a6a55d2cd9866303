//! What do dup and close cost through their covers?
#![allow(missing_docs)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ha_bench::contender::{Api, Contender};
use ha_bench::library::{Calls, Library};
use ha_bench::places::device;
use ha_bench::{settings, verify};

fn main() -> io::Result<()> {
    let (libc, library) = (Calls::libc()?, Library::built()?);
    let plain = device("/dev/null")?;
    let covered = library.attach(device("/dev/null")?)?;
    let api = Api.hold(device("/dev/null")?)?;
    let mut criterion = settings();
    let mut group = criterion.benchmark_group("dup and close");
    let contenders: [(&str, Calls, BorrowedFd<'_>); 3] = [
        ("libc", libc, plain.as_fd()),
        ("cover, uncovered number", library.covers, plain.as_fd()),
        ("cover, covered number", library.covers, covered.as_fd()),
    ];
    for (name, calls, descriptor) in contenders {
        verify(name, &calls.dup_and_close(descriptor).is_ok(), &true)?;
        group.bench_function(name, |timer| timer.iter(|| calls.dup_and_close(descriptor)));
    }
    verify("Rust API", &api.try_clone().is_ok(), &true)?;
    group.bench_function("Rust API", |timer| timer.iter(|| api.try_clone().map(drop)));
    group.finish();
    criterion.final_summary();
    Ok(())
}
