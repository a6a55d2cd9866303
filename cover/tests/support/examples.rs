//! The public example programs, with nothing changed but the path they open.

use std::path::{Path, PathBuf};

use super::build::{compile_to, linked, package};

/// Where the examples are; `None` if they are not here.
pub(crate) fn directory() -> Option<PathBuf> {
    let mut directories = match std::env::var_os("HA_EXAMPLES") {
        Some(directory) => vec![PathBuf::from(directory)],
        None => package().ancestors().map(|above| above.join("shared/examples")).collect(),
    };
    directories.retain(|directory| directory.is_dir());
    directories.into_iter().next()
}

/// Compiles an example whose macro for a path has become `path`; `None` if the examples are not here.
pub(crate) fn compiled(name: &str, path: &Path, scratch: &Path) -> Option<PathBuf> {
    let source = std::fs::read_to_string(directory()?.join(name)).unwrap();
    let mut replaced = 0;
    let lines = source.lines().map(|line| match line.split_once('"') {
        Some((definition, _)) if definition.starts_with("#define ") => {
            replaced += 1;
            format!("{definition}\"{}\"\n", path.display())
        }
        _ => format!("{line}\n"),
    });
    let program: String = lines.collect();
    assert_eq!(replaced, 1, "{name} has one macro that is a path");
    let copy = scratch.join(name);
    std::fs::write(&copy, program).unwrap();
    let program = copy.with_extension("");
    compile_to(&program, &copy, &linked());
    Some(program)
}
