//! All figures, in one page.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use ha_bench::library::Library;
use indicatif::{ProgressBar, ProgressStyle};

use crate::figures::{Figure, Section};
use crate::installation::{Installation, circumstances};
use crate::{instructions, latency, listing, memory, page, plots, program, ratios, recovery, storm};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    installation: Installation,
    /// Where the page and the plots go.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/perf")]
    out: PathBuf,
    /// Connections in the storm; fewer where the limits of this process end.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: usize,
    /// How thorough: rounds of a measurement.
    #[arg(long, value_name = "N", default_value_t = 100)]
    rounds: usize,
}

pub(crate) fn write(options: &Options) -> io::Result<()> {
    let (path, ha) = (options.installation.library()?, options.installation.ha()?);
    let rounds = options.rounds;
    let circumstances = circumstances();
    let steps = ProgressBar::new(10);
    steps.set_style(ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg}").map_err(io::Error::other)?);
    let step = |what: &'static str| {
        steps.inc(1);
        steps.set_message(what);
    };

    // Single-threaded first, as a process that had threads stays one that has: so no bar that draws itself either.
    step("memory, size, start");
    let library = Library::load(&path)?;
    let mut static_figures = memory::figures(&library)?;
    static_figures.push(program::size(&path)?);
    static_figures.extend(program::start(&path, rounds)?);
    static_figures.push(instructions::of_start(&path)?);
    step("success path, single-threaded");
    let single = ratios::figures(&library, "single-threaded", rounds)?;
    step("success path, many covered numbers");
    let flat = ratios::against_covered_numbers(&library, rounds.div_ceil(4))?;
    step("latency");
    let latency = latency::section(&library, rounds as u64 * 10_000)?;
    step("success path, with threads");
    ha_bench::become_multithreaded();
    let threaded = ratios::figures(&library, "with threads", rounds)?;
    step("instructions");
    let mut counts = listing::figures(&path)?;
    counts.extend(instructions::of_calls(&path)?);
    step("recoveries");
    let recovery = recovery::section(rounds)?;
    step("programs under ha run");
    let programs = program::throughput(&ha, rounds.div_ceil(10).max(5))?;
    step("storm");
    let storm = storm::section(options.connections)?;
    step("page");

    let sections = [
        section(
            "The success path",
            "One-byte calls on devices, against libc's in the same process, in turn. Other work of changing length stands \
             between the calls. The wrapper is libc's call in a function that looks at the result and returns it.",
            single.into_iter().chain(threaded).collect(),
            vec![flat],
        ),
        section(
            "Instructions",
            "Counted by callgrind, and read in the library's machine code: the same on every run. What libha adds to \
             libc's call is stated; the kernel's own are in none of these.",
            counts,
            Vec::new(),
        ),
        latency,
        recovery,
        storm,
        section(
            "Programs that know nothing of it",
            "Time under `ha run` against time without, both from start to end.",
            programs,
            Vec::new(),
        ),
        section("Memory, size, start", "", static_figures, Vec::new()),
    ];
    fs::create_dir_all(&options.out)?;
    for plot in sections.iter().flat_map(|section| &section.plots) {
        fs::write(options.out.join(&plot.file).with_extension("svg"), plots::draw(plot)?)?;
    }
    fs::write(options.out.join("figures.json"), serde_json::to_string_pretty(&sections)?)?;
    let index = options.out.join("index.html");
    fs::write(&index, page::render(&circumstances, &sections)?)?;
    steps.finish_and_clear();
    println!("{}", index.display());
    Ok(())
}

fn section(title: &str, about: &str, figures: Vec<Figure>, plots: Vec<crate::figures::Plot>) -> Section {
    Section { title: title.into(), about: about.into(), figures, plots }
}
