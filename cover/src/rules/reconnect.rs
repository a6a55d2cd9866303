//! `--reconnect ADDRESS`: client sockets, by the server they are connected to.

use std::ffi::c_int;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ha_core::number::{self, Policy, errno};
use ha_core::rustix::net::SocketType;
use ha_core::rustix::net::sockopt::socket_type;
use ha_core::{AttachError, Reconnect};
use libc::{sockaddr, sockaddr_in, sockaddr_in6, sockaddr_un, socklen_t};

use super::journal::Journal;
use crate::start::{Environment, borrowed};

#[derive(Debug)]
pub(super) struct Reconnecting {
    servers: Vec<Server>,
    replay: usize,
    deadline: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Server {
    Internet(SocketAddr),
    Unix(PathBuf),
    Abstract(Vec<u8>),
}

impl Reconnecting {
    pub(super) fn from(environment: &Environment) -> Option<Self> {
        let mut servers = Vec::new();
        for line in environment.lines("HA_RECONNECT") {
            match Server::parse(line) {
                Some(server) => servers.push(server),
                None => {
                    let address = String::from_utf8_lossy(line);
                    tracing::error!(target: "ha", %address, "an address in HA_RECONNECT is left out");
                }
            }
        }
        let replay = environment.number("HA_REPLAY").unwrap_or(0);
        (!servers.is_empty()).then(|| Self { servers, replay, deadline: environment.deadline() })
    }

    pub(super) fn look_at(&self, number: c_int, result: c_int, address: *const sockaddr, size: socklen_t) {
        if result != 0 && errno::get() != libc::EINPROGRESS {
            return;
        }
        // SAFETY: connect(2) has been called with them.
        let Some(server) = (unsafe { Server::of(address, size) }) else { return };
        let is_stream = || borrowed(number).and_then(|fd| socket_type(fd).ok()) == Some(SocketType::STREAM);
        if self.servers.contains(&server.clone().unmapped()) && is_stream() {
            self.cover(number, &server);
        }
    }

    fn cover(&self, number: c_int, server: &Server) {
        let journal = Arc::new(Journal::bounded(self.replay));
        let mut recovery = match server {
            Server::Internet(address) => Reconnect::to([address.to_string()]),
            Server::Unix(path) => Reconnect::to_unix(path),
            Server::Abstract(name) => Reconnect::to_abstract(name.clone()),
        };
        // If no server comes back, the program is to find the old socket as it was.
        recovery = recovery.in_place(false);
        if self.replay > 0 {
            let journal = Arc::clone(&journal);
            recovery = recovery.then(move |socket, _| journal.replay(socket));
        }
        let policy = Policy::persistent().within(self.deadline).watched_by(journal);
        match number::attach_implied(number, Box::new(recovery), policy) {
            Ok(()) => tracing::info!(target: "ha", number, ?server, "covered"),
            // In a child of vfork, which is about to exec.
            Err(AttachError::AnotherProcess) => {}
            Err(error) => tracing::warn!(target: "ha", number, ?server, %error, "not covered"),
        }
    }
}

impl Server {
    fn parse(line: &[u8]) -> Option<Self> {
        if let Some(address) = line.strip_prefix(b"tcp:") {
            return Some(Self::Internet(std::str::from_utf8(address).ok()?.parse().ok()?).unmapped());
        }
        let path = line.strip_prefix(b"unix:")?;
        if let Some(name) = path.strip_prefix(b"@") {
            return Some(Self::Abstract(name.to_vec()));
        }
        Some(Self::Unix(PathBuf::from(std::ffi::OsStr::from_bytes(path))))
    }

    /// # Safety
    ///
    /// As for connect(2): `address` has `size` bytes.
    unsafe fn of(address: *const sockaddr, size: socklen_t) -> Option<Self> {
        let size = size as usize;
        if address.is_null() || size < size_of::<libc::sa_family_t>() {
            return None;
        }
        // SAFETY: the caller's; long enough for the family.
        let family = unsafe { address.cast::<libc::sa_family_t>().read_unaligned() };
        match c_int::from(family) {
            libc::AF_INET if size >= size_of::<sockaddr_in>() => {
                // SAFETY: the caller's; long enough.
                let address = unsafe { address.cast::<sockaddr_in>().read_unaligned() };
                let host = IpAddr::from(address.sin_addr.s_addr.to_ne_bytes());
                Some(Self::Internet(SocketAddr::new(host, u16::from_be(address.sin_port))))
            }
            libc::AF_INET6 if size >= size_of::<sockaddr_in6>() => {
                // SAFETY: the caller's; long enough.
                let address = unsafe { address.cast::<sockaddr_in6>().read_unaligned() };
                let (host, port) = (address.sin6_addr.s6_addr.into(), u16::from_be(address.sin6_port));
                Some(Self::Internet(SocketAddrV6::new(host, port, 0, address.sin6_scope_id).into()))
            }
            libc::AF_UNIX => {
                let start = std::mem::offset_of!(sockaddr_un, sun_path);
                let length = size.checked_sub(start).filter(|length| *length > 0)?;
                let name = address.cast::<u8>().wrapping_add(start);
                // SAFETY: the caller's; so many bytes follow the family.
                let name = unsafe { std::slice::from_raw_parts(name, length) };
                if let Some(name) = name.strip_prefix(b"\0") {
                    return Some(Self::Abstract(name.to_vec()));
                }
                let path = name.split(|byte| *byte == 0).next().unwrap_or_default();
                let path = Path::new(std::ffi::OsStr::from_bytes(path));
                std::path::absolute(path).ok().map(Self::Unix)
            }
            _ => None,
        }
    }

    /// An IPv4 address in an IPv6 socket (`::ffff:127.0.0.1`) is the same server.
    fn unmapped(self) -> Self {
        match self {
            Self::Internet(address) => Self::Internet(SocketAddr::new(address.ip().to_canonical(), address.port())),
            other => other,
        }
    }
}
