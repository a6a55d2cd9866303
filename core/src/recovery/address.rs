//! Where a server is found, and the addresses that this leads to.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use rustix::net::{AddressFamily, SocketAddrUnix};

use super::invalid;
use crate::table::Target;

/// What the client asked for.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// `host:port`, in the order of preference.
    Internet(Vec<String>),
    Unix(PathBuf),
    /// Without the leading zero.
    Abstract(Vec<u8>),
}

/// One address to connect to.
#[derive(Debug)]
pub(super) enum Address {
    Internet(SocketAddr),
    Unix(SocketAddrUnix),
}

impl Place {
    /// Refuses what no server could ever answer to.
    pub(super) fn check(&self) -> io::Result<()> {
        match self {
            Self::Internet(names) if names.is_empty() => Err(invalid("there is no address to connect to")),
            Self::Internet(names) => match names.iter().find(|name| !has_port(name)) {
                Some(name) => Err(invalid(format!("{name:?} is not of the form host:port"))),
                None => Ok(()),
            },
            Self::Unix(path) if !path.is_absolute() => {
                Err(invalid(format!("{} is not an absolute path", path.display())))
            }
            Self::Unix(path) => SocketAddrUnix::new(path)
                .map(drop)
                .map_err(|_| invalid(format!("{} is too long for a socket", path.display()))),
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name)
                .map(drop)
                .map_err(|_| invalid("the abstract name is too long for a socket")),
        }
    }

    /// The addresses, names resolved at this moment.
    ///
    /// A name that cannot be resolved does not keep the others from being tried.
    ///
    /// # Errors
    ///
    /// Why the last name could not be resolved, when none could.
    pub(super) fn addresses(&self) -> io::Result<Vec<Address>> {
        let names = match self {
            Self::Internet(names) => names,
            Self::Unix(path) => return Ok(vec![Address::Unix(SocketAddrUnix::new(path)?)]),
            Self::Abstract(name) => return Ok(vec![Address::Unix(SocketAddrUnix::new_abstract_name(name)?)]),
        };
        let mut addresses = Vec::with_capacity(names.len());
        let mut failure = None;
        for name in names {
            match name.to_socket_addrs() {
                Ok(resolved) => addresses.extend(resolved.map(Address::Internet)),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(addresses),
        }
    }

    pub(super) fn target(&self) -> Option<Target> {
        match self {
            Self::Internet(names) => names.first().cloned().map(Target::Address),
            Self::Unix(path) => Some(Target::Path(path.clone())),
            Self::Abstract(name) => Some(Target::Abstract(name.clone())),
        }
    }
}

impl Address {
    pub(super) fn family(&self) -> AddressFamily {
        match self {
            Self::Internet(SocketAddr::V4(_)) => AddressFamily::INET,
            Self::Internet(SocketAddr::V6(_)) => AddressFamily::INET6,
            Self::Unix(_) => AddressFamily::UNIX,
        }
    }

    pub(super) fn connect(&self, socket: BorrowedFd<'_>) -> rustix::io::Result<()> {
        match self {
            Self::Internet(address) => rustix::net::connect(socket, address),
            Self::Unix(address) => rustix::net::connect(socket, address),
        }
    }
}

fn has_port(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_no_server_can_have_are_refused() {
        let refused = [
            Place::Internet(vec![]),
            Place::Internet(vec!["localhost".to_owned()]),
            Place::Internet(vec!["[::1]:80".to_owned(), ":80".to_owned()]),
            Place::Internet(vec!["localhost:http".to_owned()]),
            Place::Unix("relative".into()),
            Place::Unix(format!("/{}", "x".repeat(200)).into()),
            Place::Abstract(vec![b'x'; 200]),
        ];
        for place in refused {
            assert_eq!(place.check().unwrap_err().kind(), io::ErrorKind::InvalidInput, "{place:?}");
        }
        Place::Internet(vec!["[::1]:80".to_owned()]).check().unwrap();
        Place::Unix("/run/server.socket".into()).check().unwrap();
    }

    #[test]
    fn addresses_keep_the_order_of_preference() {
        let place = Place::Internet(vec!["127.0.0.2:1".to_owned(), "[::1]:2".to_owned()]);
        let families: Vec<_> = place.addresses().unwrap().iter().map(Address::family).collect();
        assert_eq!(families, [AddressFamily::INET, AddressFamily::INET6]);
        assert_eq!(place.target(), Some(Target::Address("127.0.0.2:1".to_owned())));
    }
}
