//! What does it cost to cover a descriptor and to leave it again, beside the calls that open and close it?
#![allow(missing_docs)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use ha_bench::contender::{Api, Contender};
use ha_bench::library::Library;
use ha_bench::places::{circles, device};
use ha_bench::{settings, verify};

fn main() -> io::Result<()> {
    let library = Library::built()?;
    let [_, pipe, _, tcp] = circles()?;
    let places = [("device", device("/dev/null")?), ("pipe", pipe.into), ("TCP", tcp.into)];
    let mut criterion = settings();
    for (name, descriptor) in &places {
        let copy = || -> io::Result<OwnedFd> { descriptor.as_fd().try_clone_to_owned() };
        let by_library = || library.attach(copy()?)?.detach().map(drop);
        let by_api = || Api.hold(copy()?).map(|covered| drop(covered.detach()));
        verify("ha_attach", &by_library().is_ok(), &true)?;
        verify("attach", &by_api().is_ok(), &true)?;
        let mut group = criterion.benchmark_group(format!("{name}, copied and closed"));
        group.bench_function("and nothing else", |timer| timer.iter(|| copy().map(drop)));
        group.bench_function("ha_attach, ha_detach", |timer| timer.iter(by_library));
        group.bench_function("Rust API", |timer| timer.iter(by_api));
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
