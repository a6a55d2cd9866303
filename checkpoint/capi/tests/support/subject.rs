//! The library under test: libcheckpoint.

/// Its package.
pub(crate) const PACKAGE: &str = "ha-checkpoint-capi";

/// What the linker calls it.
pub(crate) const FILE: &str = "libcheckpoint.so";

/// What the loader calls it.
pub(crate) const SONAME: &str = "libcheckpoint.so.1";

/// What a program is linked with.
pub(crate) const FLAGS: [&str; 1] = ["-lcheckpoint"];

/// Where the tests' C sources are; what is not special to this library is libha's.
pub(crate) const SOURCES: &[&str] = &["tests/c", "../../cover/tests/c"];
