//! Puts core's own sources into another crate, which supplies a `sync` of its own: a world in which threads, clocks
//! and orderings obey a model checker or a simulation.
//!
//! Core names everything nondeterministic in its module `sync` and nowhere else. So a crate that has a module
//! `crate::sync` with the same interface can compile core's other modules word for word, with access to all that is
//! private in them, while core itself knows nothing of it: no feature, no cfg, no other build of its dependencies.
//!
//! For build scripts:
//!
//! ```no_run
//! ha_mount::Core::beside_the_caller().write();
//! ```
//!
//! and in the crate's root `include!(concat!(env!("OUT_DIR"), "/core.rs"));`.
//!
//! What is not word for word is listed where it is asked for: [`adapted`](Core::adapted) replaces a text that must occur
//! exactly once, [`planted`](Core::planted) and [`weakened`](Core::weakened) insert mutants that are chosen at run time.
//! A build script has nobody to return an error to, so everything that does not fit is a panic that says what.

#![allow(clippy::panic, clippy::expect_used)]

mod orderings;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The modules that are mounted. What they need besides is `sync`.
const MODULES: [&str; 5] = ["connection", "error", "kernel", "recover", "table"];

/// A change that a world needs: `from` must occur exactly once in `file`.
#[derive(Clone, Copy, Debug)]
pub struct Adaptation {
    /// Relative to core's `src`.
    pub file: &'static str,
    /// What core says.
    pub from: &'static str,
    /// What this world says instead.
    pub to: &'static str,
}

/// A bug that can be switched on: an expression of core, and what stands for it while the mutant lives.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// How it is chosen.
    pub name: &'static str,
    /// Relative to core's `src`.
    pub file: &'static str,
    /// An expression that occurs exactly once in the file.
    pub from: &'static str,
    /// An expression of the same type.
    pub to: &'static str,
}

/// Core's sources, read and about to be written.
#[derive(Debug)]
pub struct Core {
    files: BTreeMap<String, String>,
    sites: Vec<orderings::Site>,
}

impl Core {
    /// The sources of the package `core` in the folder beside the calling package's.
    ///
    /// # Panics
    ///
    /// When they cannot be read.
    #[must_use]
    pub fn beside_the_caller() -> Self {
        let package = env::var_os("CARGO_MANIFEST_DIR").expect("a build script is run by cargo");
        let source = Path::new(&package).join("../core/src");
        println!("cargo::rerun-if-changed={}", source.display());
        let mut files = BTreeMap::new();
        for module in MODULES {
            let folder = source.join(module);
            if folder.is_dir() {
                read_folder(&source, &folder, &mut files);
            } else {
                read_file(&source, &folder.with_extension("rs"), &mut files);
            }
        }
        // Core's own tests run in core, also when the caller is built for tests of its own.
        println!("cargo::rustc-check-cfg=cfg(feature, values(\"steps\"))");
        for text in files.values_mut() {
            *text = text
                .replace("#[cfg(test)]", "#[cfg(any())]")
                .replace("any(test, feature = \"steps\")", "feature = \"steps\"")
                .replace("all(not(test), feature = \"steps\")", "feature = \"steps\"");
        }
        Self { files, sites: Vec::new() }
    }

    /// Replaces texts.
    ///
    /// # Panics
    ///
    /// When a text does not occur exactly once: core has changed, and the world has to follow.
    #[must_use]
    pub fn adapted(mut self, adaptations: &[Adaptation]) -> Self {
        for Adaptation { file, from, to } in adaptations {
            self.replace(file, from, to);
        }
        self
    }

    /// Replaces a whole file.
    ///
    /// # Panics
    ///
    /// When there is no such file.
    #[must_use]
    pub fn with(mut self, file: &str, text: &str) -> Self {
        *self.file(file) = text.to_owned();
        self
    }

    /// Plants mutants: `crate::mutants::is(name)` decides whether one lives.
    ///
    /// # Panics
    ///
    /// As [`adapted`](Self::adapted).
    #[must_use]
    pub fn planted(mut self, mutants: &[Mutant]) -> Self {
        for Mutant { name, file, from, to } in mutants {
            let both = format!("(if crate::mutants::is({name:?}) {{ {to} }} else {{ {from} }})");
            self.replace(file, from, &both);
        }
        self
    }

    /// Makes a mutant of every ordering stronger than Relaxed: it becomes a call of `crate::mutants::weaken` with a number,
    /// and `ORDERINGS` in the generated file lists them.
    ///
    /// # Panics
    ///
    /// When an ordering has no named edge in the comment above it.
    #[must_use]
    pub fn weakened(mut self) -> Self {
        for (file, text) in &mut self.files {
            *text = orderings::weaken(file, text, &mut self.sites);
        }
        self
    }

    /// Writes the sources, and `core.rs` that names their modules, to `OUT_DIR`.
    ///
    /// # Panics
    ///
    /// When they cannot be written.
    pub fn write(self) {
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("a build script is run by cargo"));
        let folder = out.join("core");
        let _ = fs::remove_dir_all(&folder);
        for (file, text) in &self.files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("OUT_DIR can be written to");
            fs::write(path, text).expect("OUT_DIR can be written to");
        }
        let mut root = String::new();
        for module in MODULES {
            let file = if self.files.contains_key(&format!("{module}.rs")) { "" } else { "/mod" };
            let path = folder.join(format!("{module}{file}.rs"));
            writeln!(
                root,
                "#[path = {path:?}]\n#[allow(warnings, clippy::all, clippy::pedantic, unsafe_code)]\nmod {module};"
            )
            .expect("a String takes everything");
        }
        if !self.sites.is_empty() {
            orderings::list(&self.sites, &mut root);
        }
        fs::write(out.join("core.rs"), root).expect("OUT_DIR can be written to");
    }

    fn replace(&mut self, file: &str, from: &str, to: &str) {
        let text = self.file(file);
        let count = text.matches(from).count();
        assert!(count == 1, "core/src/{file} has this text {count} times instead of once:\n{from}");
        *text = text.replacen(from, to, 1);
    }

    fn file(&mut self, file: &str) -> &mut String {
        self.files.get_mut(file).unwrap_or_else(|| panic!("core/src/{file} is not there any more"))
    }
}

fn read_folder(source: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("core's sources can be read") {
        let path = entry.expect("core's sources can be read").path();
        let is_tests = path.file_stem().is_some_and(|name| name == "tests");
        if is_tests {
            continue;
        }
        if path.is_dir() { read_folder(source, &path, files) } else { read_file(source, &path, files) }
    }
}

fn read_file(source: &Path, path: &Path, files: &mut BTreeMap<String, String>) {
    let name = path.strip_prefix(source).expect("it was found there").to_string_lossy().into_owned();
    files.insert(name, fs::read_to_string(path).expect("core's sources can be read"));
}
