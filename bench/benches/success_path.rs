//! What does a call that succeeds cost, when nothing is wrong?
//!
//! libc's call, the same through libha, and what one would write instead, on the same kernel objects in the same run:
//! compare them as ratios.
#![allow(missing_docs)]

use std::collections::HashMap;
use std::hint::black_box;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, RwLock};

use arc_swap::ArcSwapOption;
use criterion::Criterion;
use dashmap::DashMap;
use ha_bench::contender::{Api, Contender, Covering, Direct, LookedUp, Plain, Uncovered};
use ha_bench::library::{Calls, Library};
use ha_bench::places::{circles, device, echo};
use ha_bench::{become_multithreaded, settings, verify};

fn main() -> io::Result<()> {
    let (libc, library) = (Calls::libc()?, Library::built()?);
    let mut criterion = settings();
    for process in ["single-threaded", "with threads"] {
        if process == "with threads" {
            become_multithreaded();
        }
        let mut measure = |contender: &dyn Measured| contender.measure(&mut criterion, process);
        measure(&Plain(libc))?;
        measure(&Uncovered(library))?;
        measure(&Covering(library))?;
        measure(&Direct)?;
        measure(&Api)?;
        measure(&LookedUp::<Mutex<HashMap<RawFd, Arc<RawFd>>>>::with(libc))?;
        measure(&LookedUp::<RwLock<HashMap<RawFd, Arc<RawFd>>>>::with(libc))?;
        measure(&LookedUp::<DashMap<RawFd, Arc<RawFd>>>::with(libc))?;
        measure(&LookedUp::<papaya::HashMap<RawFd, Arc<RawFd>>>::with(libc))?;
        measure(&LookedUp::<Vec<ArcSwapOption<RawFd>>>::with(libc))?;
    }
    criterion.final_summary();
    Ok(())
}

trait Measured {
    fn measure(&self, criterion: &mut Criterion, process: &str) -> io::Result<()>;
}

impl<C: Contender> Measured for C {
    fn measure(&self, criterion: &mut Criterion, process: &str) -> io::Result<()> {
        for size in [1, 64] {
            let bytes = vec![0; size];
            let end = self.hold(device("/dev/null")?)?;
            verify(self.name(), &self.write(&end, &bytes), &size.cast_signed())?;
            let mut group = criterion.benchmark_group(format!("{process}: write {size} to null"));
            group.bench_function(self.name(), |timer| timer.iter(|| self.write(&end, black_box(&bytes))));
            group.finish();

            let mut room = vec![1; size];
            let end = self.hold(device("/dev/zero")?)?;
            verify(self.name(), &self.read(&end, &mut room), &size.cast_signed())?;
            verify(self.name(), &room, &bytes)?;
            let mut group = criterion.benchmark_group(format!("{process}: read {size} from zero"));
            group.bench_function(self.name(), |timer| timer.iter(|| self.read(&end, black_box(&mut room))));
            group.finish();
        }
        for circle in circles()? {
            let bytes: Vec<u8> = (1..=circle.size).map(|position| position as u8).collect();
            let mut room = vec![0; circle.size];
            let mut between = vec![0; circle.size];
            let (into, out_of) = (self.hold(circle.into)?, self.hold(circle.out_of)?);
            let mut round = || {
                let written = self.write(&into, black_box(&bytes));
                echo(circle.echo.as_ref(), &mut between);
                (written, self.read(&out_of, black_box(&mut room)))
            };
            let size = circle.size.cast_signed();
            verify(self.name(), &round(), &(size, size))?;
            let mut group = criterion.benchmark_group(format!("{process}: {} {} bytes", circle.name, circle.size));
            group.bench_function(self.name(), |timer| timer.iter(&mut round));
            group.finish();
            verify(self.name(), &room, &bytes)?;
        }
        Ok(())
    }
}
