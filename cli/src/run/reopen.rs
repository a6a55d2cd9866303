//! The patterns of `--reopen`, in the form in which libha compares them.
//!
//! libha asks the kernel for the name of an opened file, which is absolute and has no symbolic links. A pattern must be
//! like that up to its first wildcard, or it would never match.

use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;

/// Why a pattern is not usable.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("--reopen {pattern:?}: {}", source.kind())]
    Invalid { pattern: String, source: globset::Error },
    #[error("--reopen {pattern:?}: a pattern must not be empty and must not contain a newline")]
    Unusable { pattern: String },
    #[error(
        "--reopen {pattern:?}: matches a directory, not a file; write '{}/**' for all files below it",
        pattern.trim_end_matches('/')
    )]
    Directory { pattern: String },
    #[error("--reopen {pattern:?}: `..` behind a wildcard never matches; write the path without it")]
    Parent { pattern: String },
    #[error("--reopen {pattern:?}: absolute paths inside of braces are not understood; give --reopen once for each")]
    Alternatives { pattern: String },
    #[error("--reopen {pattern:?}: stands for {}, which is not valid UTF-8; use another path", path.display())]
    Encoding { pattern: String, path: PathBuf },
}

/// The pattern as an absolute one without symbolic links before its first wildcard.
///
/// A relative pattern starts at `directory`.
pub(super) fn absolute(pattern: &str, directory: &Path) -> Result<String, Error> {
    let owned = || pattern.to_owned();
    validate(pattern).map_err(|source| Error::Invalid { pattern: owned(), source })?;
    if pattern.is_empty() || pattern.contains('\n') {
        return Err(Error::Unusable { pattern: owned() });
    }
    if pattern.starts_with("{/") {
        return Err(Error::Alternatives { pattern: owned() });
    }
    let (literal, wild) = split(pattern);
    // Joining an absolute path replaces the directory.
    let literal = resolved(&directory.join(literal));
    if pattern.ends_with('/') || wild.is_empty() && literal.is_dir() {
        return Err(Error::Directory { pattern: owned() });
    }
    if wild.contains(&"..") {
        return Err(Error::Parent { pattern: owned() });
    }
    let Some(text) = literal.to_str().filter(|text| !text.contains('\n')) else {
        return Err(Error::Encoding { pattern: owned(), path: literal });
    };
    let mut whole = escaped(text);
    for part in wild {
        if !whole.ends_with('/') {
            whole.push('/');
        }
        whole.push_str(part);
    }
    Ok(whole)
}

fn validate(pattern: &str) -> Result<(), globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build().map(drop)
}

/// The part that is the same in every match, and the names from the first wildcard on.
fn split(pattern: &str) -> (&str, Vec<&str>) {
    let Some(wildcard) = pattern.find(['*', '?', '[', ']', '{', '}', '\\']) else {
        return (pattern, Vec::new());
    };
    let start = pattern[..wildcard].rfind('/').map_or(0, |slash| slash + 1);
    let wild = pattern[start..].split('/').filter(|name| !matches!(*name, "" | "."));
    (&pattern[..start], wild.collect())
}

/// The path with the symbolic links resolved in as much of it as exists.
fn resolved(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        let (Ok(mut real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) else { continue };
        for component in rest.components() {
            match component {
                Component::ParentDir => drop(real.pop()),
                name => real.push(name),
            }
        }
        return real;
    }
    path.to_owned()
}

fn escaped(path: &str) -> String {
    let parts: Vec<String> = path.split('\\').map(globset::escape).collect();
    parts.join(r"\\")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A directory with a file `data/[1]/file`, and a link `link` to `data`.
    fn scene() -> (TempDir, PathBuf) {
        let directory = TempDir::new().unwrap();
        let real = directory.path().canonicalize().unwrap();
        fs::create_dir_all(real.join("data/[1]")).unwrap();
        fs::write(real.join("data/[1]/file"), "").unwrap();
        symlink("data", real.join("link")).unwrap();
        (directory, real)
    }

    #[test]
    fn a_relative_pattern_starts_at_the_directory() {
        let (_directory, real) = scene();
        let root = real.to_str().unwrap();
        assert_eq!(absolute("*.db", &real).unwrap(), format!("{root}/*.db"));
        assert_eq!(absolute("./data/../data/**", &real).unwrap(), format!("{root}/data/**"));
        assert_eq!(absolute("new/file", &real).unwrap(), format!("{root}/new/file"));
        assert_eq!(absolute("/nowhere/*/./x//y", &real).unwrap(), "/nowhere/*/x/y");
        assert_eq!(absolute("/**", &real).unwrap(), "/**");
    }

    #[test]
    fn links_before_the_first_wildcard_are_resolved() {
        let (_directory, real) = scene();
        let root = real.to_str().unwrap();
        assert_eq!(absolute("link/*", &real).unwrap(), format!("{root}/data/*"));
        assert_eq!(absolute("link/new/a*", &real).unwrap(), format!("{root}/data/new/a*"));
        assert_eq!(absolute("link/new", &real).unwrap(), format!("{root}/data/new"));
        assert_eq!(absolute("*/link/x", &real).unwrap(), format!("{root}/*/link/x"));
    }

    #[test]
    fn what_a_name_has_of_wildcards_is_taken_literally() {
        let (_directory, real) = scene();
        let inside = real.join("data/[1]");
        for (pattern, file) in [("f*", "file"), ("file", "file"), ("{file,other}", "other")] {
            let pattern = absolute(pattern, &inside).unwrap();
            let glob = GlobBuilder::new(&pattern).literal_separator(true).build().unwrap().compile_matcher();
            assert!(glob.is_match(inside.join(file)), "{pattern}");
            assert!(!glob.is_match(real.join("data/1").join(file)), "{pattern}");
        }
        assert_eq!(escaped(r"/a\b{c}*"), r"/a\\b[{]c[}][*]");
        let glob = GlobBuilder::new(&escaped(r"/a\b{c}*")).literal_separator(true).build().unwrap();
        assert!(glob.compile_matcher().is_match(r"/a\b{c}*"));
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let message = absolute("/mnt/[a", Path::new("/")).unwrap_err().to_string();
        assert!(message.contains("/mnt/[a") && message.contains("unclosed"), "{message}");
        for bad in ["", "a\nb", "{a", "a}", "{/mnt,/srv}/**", "/mnt/*/../x", "/*/.."] {
            assert!(absolute(bad, Path::new("/")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_directory_is_not_taken_for_its_files() {
        let (_directory, real) = scene();
        for directory in ["data", "data/", "link", "new/", "data/*/", "/"] {
            let error = absolute(directory, &real).unwrap_err();
            assert!(matches!(error, Error::Directory { .. }), "{directory}: {error}");
        }
    }
}
