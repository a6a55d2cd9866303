//! The server that a connection goes to, by name.

use std::fmt;
use std::path::PathBuf;

/// Where a connection's server is found. Connections with equal targets share a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// `host:port`, as the client wrote it.
    Address(String),
    /// A file, a FIFO or a Unix socket.
    Path(PathBuf),
    /// A Unix socket in the abstract namespace, without the leading zero.
    Abstract(Vec<u8>),
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => out.write_str(address),
            Self::Path(path) => write!(out, "{}", path.display()),
            Self::Abstract(name) => write!(out, "@{}", name.escape_ascii()),
        }
    }
}
