//! What does a call that succeeds cost, when nothing is wrong?
//!
//! The plain call and the covered one, on the same kernel object, in the same run: compare them as a ratio.
#![allow(missing_docs)]

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ha_core::{Attempt, Covered, RecoveryError, cover};

/// One way to move bytes.
trait Contender {
    const NAME: &'static str;
    fn write(&self, bytes: &[u8]) -> usize;
    fn read(&self, bytes: &mut [u8]) -> usize;
}

struct Plain(OwnedFd);

impl Contender for Plain {
    const NAME: &'static str = "plain call";

    fn write(&self, bytes: &[u8]) -> usize {
        rustix::io::write(&self.0, bytes).unwrap_or(0)
    }

    fn read(&self, bytes: &mut [u8]) -> usize {
        rustix::io::read(&self.0, bytes).unwrap_or(0)
    }
}

impl Contender for Covered {
    const NAME: &'static str = "covered";

    fn write(&self, bytes: &[u8]) -> usize {
        let mut this = self;
        Write::write(&mut this, bytes).unwrap_or(0)
    }

    fn read(&self, bytes: &mut [u8]) -> usize {
        let mut this = self;
        Read::read(&mut this, bytes).unwrap_or(0)
    }
}

fn open(device: &str) -> std::io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open(device)?.into())
}

fn never(_: &Attempt<'_>) -> Result<OwnedFd, RecoveryError> {
    Err(RecoveryError::Final(std::io::ErrorKind::NotConnected.into()))
}

fn measure<C: Contender>(criterion: &mut Criterion, device: &str, size: usize, contender: &C) {
    let mut group = criterion.benchmark_group(format!("{device}, {size} bytes"));
    let mut bytes = vec![0; size];
    // A contender that does not do the work is not timed.
    if device == "/dev/zero" {
        assert_eq!(contender.read(&mut bytes), size);
        group.bench_function(BenchmarkId::new("read", C::NAME), |timer| {
            timer.iter(|| contender.read(black_box(&mut bytes)));
        });
    } else {
        assert_eq!(contender.write(&bytes), size);
        group.bench_function(BenchmarkId::new("write", C::NAME), |timer| {
            timer.iter(|| contender.write(black_box(&bytes)));
        });
    }
    group.finish();
}

fn success_path(criterion: &mut Criterion) {
    for device in ["/dev/null", "/dev/zero"] {
        for size in [1, 64] {
            let (Ok(plain), Ok(covered)) = (open(device), open(device)) else { continue };
            let Ok(covered) = cover(covered).recovered_with(never).attach() else { continue };
            measure(criterion, device, size, &Plain(plain));
            measure(criterion, device, size, &covered);
        }
    }
}

fn settings() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = settings(); targets = success_path }
criterion_main!(benches);
