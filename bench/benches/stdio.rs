//! What do the slots of stdio cost?
//!
//! Loading libha patches them for the rest of the process, so what is not patched comes first.
#![allow(missing_docs)]

use std::io;

use criterion::{BatchSize, Criterion};
use ha_bench::library::{Library, Stream};
use ha_bench::places::device;
use ha_bench::{settings, verify};

fn main() -> io::Result<()> {
    let mut criterion = settings();
    measure(&mut criterion, "not patched")?;
    let _library = Library::built()?;
    measure(&mut criterion, "patched")?;
    criterion.final_summary();
    Ok(())
}

fn measure(criterion: &mut Criterion, slots: &str) -> io::Result<()> {
    let unbuffered = Stream::open(device("/dev/null")?, c"w", false)?;
    verify(slots, &unbuffered.put_byte(7), &7)?;
    criterion.bench_function(&format!("fputc unbuffered, {slots}"), |timer| timer.iter(|| unbuffered.put_byte(7)));

    let buffered = Stream::open(device("/dev/null")?, c"w", true)?;
    let page = [0; 4096];
    verify(slots, &buffered.write(&page), &page.len())?;
    criterion
        .bench_function(&format!("fwrite 4 KiB and fflush, {slots}"), |timer| timer.iter(|| buffered.write(&page)));

    let lines = Stream::open(ten_lines()?, c"r", true)?;
    let mut room = [0; 64];
    let mut all = || {
        lines.rewind();
        (0..11).take_while(|_| lines.get_line(&mut room)).count()
    };
    verify(slots, &all(), &10)?;
    criterion.bench_function(&format!("fgets, ten lines, {slots}"), |timer| {
        timer.iter_batched(|| (), |()| all(), BatchSize::SmallInput);
    });
    Ok(())
}

/// A file of ten lines, in memory.
fn ten_lines() -> io::Result<std::os::fd::OwnedFd> {
    let file = rustix::fs::memfd_create("lines", rustix::fs::MemfdFlags::CLOEXEC)?;
    for _ in 0..10 {
        rustix::io::write(&file, b"a line of text\n")?;
    }
    Ok(file)
}
