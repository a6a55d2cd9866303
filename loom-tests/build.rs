//! Mounts core's sources under loom, with tiny tables, and with every mutant that a model must kill.

use ha_mount::{Adaptation, Core, Mutant};

#[path = "src/bugs.rs"]
mod bugs;

/// What is explored exhaustively has to be small.
const TINY: &[Adaptation] = &[
    Adaptation { file: "table/directory.rs", from: "const CHUNK: usize = 1024;", to: "const CHUNK: usize = 2;" },
    Adaptation { file: "table/directory.rs", from: "const ROOT: usize = 1024;", to: "const ROOT: usize = 16;" },
];

/// What is not, has room for many threads.
const SMALL: &[Adaptation] =
    &[Adaptation { file: "table/directory.rs", from: "const CHUNK: usize = 1024;", to: "const CHUNK: usize = 2;" }];

/// Loom's atomics cannot be made at compile time, and no process of a model forks.
const MODELLED: &[Adaptation] = &[
    Adaptation {
        file: "table/directory.rs",
        from: "pub(super) const fn new() -> Self",
        to: "pub(super) fn new() -> Self",
    },
    Adaptation {
        file: "table/directory.rs",
        from: "root: [AtomicPtr<Chunk<E>>; ROOT],",
        to: "root: Box<[AtomicPtr<Chunk<E>>]>,",
    },
    Adaptation {
        file: "table/directory.rs",
        from: "first: [const { Slot::new() }; CHUNK],",
        to: "first: std::array::from_fn(|_| Slot::new()),",
    },
    Adaptation { file: "table/slot.rs", from: "pub(super) const fn new() -> Self", to: "pub(super) fn new() -> Self" },
    Adaptation { file: "table/slot.rs", from: "ArcSwapOption::const_empty()", to: "ArcSwapOption::empty()" },
    Adaptation {
        file: "table/directory.rs",
        from: "root: [const { AtomicPtr::new(ptr::null_mut()) }; ROOT]",
        to: "root: (0..ROOT).map(|_| AtomicPtr::new(ptr::null_mut())).collect()",
    },
    Adaptation { file: "table/directory.rs", from: "in &self.root {", to: "in self.root.iter() {" },
    Adaptation { file: "table/mod.rs", from: "pub(crate) const fn new() -> Self", to: "pub(crate) fn new() -> Self" },
    Adaptation {
        file: "connection/mod.rs",
        from: "const _: () = assert!(size_of::<Connection>() <= 512, \"the memory budget of a connection\");",
        to: "",
    },
    // A model's process does not fork, and its table does not outlive an execution.
    Adaptation {
        file: "recover/fork.rs",
        from: "unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };",
        to: "",
    },
    Adaptation { file: "recover/fork.rs", from: "fn adopt(", to: "pub(crate) fn adopt(" },
    Adaptation { file: "recover/mod.rs", from: "mod waiting;", to: "pub(crate) mod waiting;" },
    // Nobody else may write an entry meanwhile, and the stand-in checks it.
    Adaptation {
        file: "table/slot.rs",
        from: "use crate::sync::ArcSwapOption;",
        to: "use crate::sync::ExclusivelyWritten as ArcSwapOption;",
    },
    // Counts and notes that are Relaxed throughout would only multiply the interleavings.
    Adaptation {
        file: "connection/limits.rs",
        from: "use crate::sync::{AtomicBool, AtomicI32, AtomicU32, Ordering};",
        to: "use crate::sync::{Ordering, unordered::{AtomicBool, AtomicI32, AtomicU32}};",
    },
    Adaptation { file: "connection/history.rs", from: "AtomicU64, ", to: "unordered::AtomicU64, " },
    Adaptation {
        file: "connection/mod.rs",
        from: "use crate::sync::{Arc, AtomicU8, AtomicU64, Ordering};",
        to: "use crate::sync::{Arc, Ordering, unordered::{AtomicU8, AtomicU64}};",
    },
    Adaptation {
        file: "recover/held.rs",
        from: "use crate::sync::{Arc, AtomicU32, Ordering, process_wide, thread_local};",
        to: "use crate::sync::{Arc, Ordering, process_wide, thread_local, unordered::AtomicU32};",
    },
    Adaptation {
        file: "recover/fork.rs",
        from: "use crate::sync::{AtomicU32, OnceLock, Ordering, process_wide, thread_local};",
        to: "use crate::sync::{OnceLock, Ordering, process_wide, thread_local, unordered::AtomicU32};",
    },
    // The kernel changes a process's descriptors under a lock, and who finds one has it from under that lock.
    Adaptation {
        file: "kernel/description.rs",
        from: "    io::fcntl_dupfd_cloexec(borrow_number(number)?, 3)",
        to: "    crate::sync::descriptors_change();\n    io::fcntl_dupfd_cloexec(borrow_number(number)?, 3)",
    },
    Adaptation {
        file: "kernel/placement.rs",
        from: "    if number < 0 {",
        to: "    crate::sync::descriptors_change();\n    if number < 0 {",
    },
    Adaptation {
        file: "kernel/placement.rs",
        from: "    let placed = io::fcntl_dupfd_cloexec(fd, number)?;",
        to: "    crate::sync::descriptors_change();\n    let placed = io::fcntl_dupfd_cloexec(fd, number)?;",
    },
    // What an episode asks of the kernel happens between two steps that others may come in between.
    Adaptation {
        file: "recover/step.rs",
        from: "pub(crate) fn reached(_: Step) {}",
        to: "pub(crate) fn reached(_: Step) { crate::sync::step(); }",
    },
];

fn main() {
    println!("cargo::rerun-if-changed=src/bugs.rs");
    let bugs: Vec<_> = bugs::BUGS
        .iter()
        .filter(|bug| !bug.from.is_empty())
        .map(|bug| Mutant { name: bug.name, file: bug.file, from: bug.from, to: bug.to })
        .collect();
    let size = if std::env::var_os("CARGO_FEATURE_RANDOM").is_some() { SMALL } else { TINY };
    Core::beside_the_caller().adapted(size).adapted(MODELLED).weakened().planted(&bugs).write();
}
