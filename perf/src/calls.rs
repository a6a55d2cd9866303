//! Makes calls and nothing else: what callgrind counts.

use std::hint::black_box;
use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ha_bench::contender::{Api, Contender, Covering, Direct, Farther, Plain, Uncovered};
use ha_bench::library::{Calls, Library};
use ha_bench::places::device;

/// Who makes the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    Libc,
    Uncovered,
    Covered,
    UncoveredFar,
    CoveredFar,
    Rustix,
    Rust,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    Write,
    Read,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    pub(crate) who: Who,
    pub(crate) what: What,
    pub(crate) count: u64,
    pub(crate) library: PathBuf,
}

pub(crate) fn make(options: &Options) -> io::Result<()> {
    let library = Library::load(&options.library)?;
    match options.who {
        Who::Libc => by(&Plain(Calls::libc()?), options),
        Who::Uncovered => by(&Uncovered(library), options),
        Who::Covered => by(&Covering(library), options),
        Who::UncoveredFar => by(&Farther(Uncovered(library)), options),
        Who::CoveredFar => by(&Farther(Covering(library)), options),
        Who::Rustix => by(&Direct, options),
        Who::Rust => by(&Api, options),
    }
}

// Apart, so that what is counted does not depend on who calls it.
#[inline(never)]
fn by<C: Contender>(contender: &C, options: &Options) -> io::Result<()> {
    let mut byte = [0; 1];
    let end = contender.hold(device(if options.what == What::Write { "/dev/null" } else { "/dev/zero" })?)?;
    let mut moved = 0;
    for _ in 0..options.count {
        moved += match options.what {
            What::Write => contender.write(&end, black_box(&byte)),
            What::Read => contender.read(&end, black_box(&mut byte)),
        };
    }
    ha_bench::verify(contender.name(), &moved.cast_unsigned(), &(options.count as usize))
}
