//! The library under test: libha.

/// Its package.
pub(crate) const PACKAGE: &str = "ha-cover";

/// What the linker calls it.
pub(crate) const FILE: &str = "libha.so";

/// What the loader calls it.
pub(crate) const SONAME: &str = "libha.so.1";

/// What a program is linked with.
pub(crate) const FLAGS: [&str; 3] = ["-Wl,--no-as-needed", "-lha", "-Wl,--as-needed"];

/// Where the tests' C sources are.
pub(crate) const SOURCES: &[&str] = &["tests/c"];
