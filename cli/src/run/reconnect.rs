//! The addresses of `--reconnect`, in the form in which libha compares them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::ToSocketAddrs;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path};

/// Why an address is not usable.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("--reconnect {given:?}: not an address; write HOST:PORT, unix:PATH or unix:@NAME")]
    Form { given: OsString },
    #[error("--reconnect {given:?}: a name with a newline cannot be passed on; use another one")]
    Newline { given: OsString },
    #[error("--reconnect {given:?}: does not resolve: {source}; see its spelling, or give an IP address")]
    Unresolved { given: OsString, source: io::Error },
}

/// What libha compares with; several addresses when a host has several.
///
/// A relative path starts at `directory`.
pub(super) fn addresses(given: &OsStr, directory: &Path) -> Result<Vec<OsString>, Error> {
    let addresses = match given.as_bytes().strip_prefix(b"unix:") {
        Some(b"" | b"@") => return Err(Error::Form { given: given.into() }),
        Some([b'@', ..]) => vec![given.into()],
        Some(path) => vec![unix(OsStr::from_bytes(path), directory)],
        None => tcp(given)?,
    };
    if addresses.iter().any(|address| address.as_bytes().contains(&b'\n')) {
        return Err(Error::Newline { given: given.into() });
    }
    Ok(addresses)
}

fn unix(path: &OsStr, directory: &Path) -> OsString {
    let path = directory.join(path);
    let mut address = OsString::from("unix:");
    // Takes the dots out; symbolic links stay, because the program's own path has them too.
    address.push(path::absolute(&path).unwrap_or(path));
    address
}

fn tcp(given: &OsStr) -> Result<Vec<OsString>, Error> {
    let form = || Error::Form { given: given.into() };
    let text = given.to_str().ok_or_else(form)?;
    let (host, port) = text.rsplit_once(':').ok_or_else(form)?;
    match port.parse::<u16>() {
        Ok(1..) if !host.is_empty() => {}
        _ => return Err(form()),
    }
    let resolved = text.to_socket_addrs().map_err(|source| Error::Unresolved { given: given.into(), source })?;
    Ok(resolved.map(|address| format!("tcp:{address}").into()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<Vec<OsString>, Error> {
        addresses(OsStr::new(given), Path::new("/srv/app"))
    }

    #[test]
    fn an_ip_address_stays_what_it_is() {
        assert_eq!(parse("127.0.0.1:80").unwrap(), ["tcp:127.0.0.1:80"]);
        assert_eq!(parse("[::1]:80").unwrap(), ["tcp:[::1]:80"]);
    }

    #[test]
    fn a_host_stands_for_all_its_addresses() {
        let expected: Vec<OsString> =
            ("localhost", 80).to_socket_addrs().unwrap().map(|address| format!("tcp:{address}").into()).collect();
        assert!(expected.contains(&"tcp:127.0.0.1:80".into()));
        assert_eq!(parse("localhost:80").unwrap(), expected);
    }

    #[test]
    fn a_unix_path_becomes_absolute_and_an_abstract_name_stays() {
        assert_eq!(parse("unix:/run/db.sock").unwrap(), ["unix:/run/db.sock"]);
        assert_eq!(parse("unix:./db.sock").unwrap(), ["unix:/srv/app/db.sock"]);
        assert_eq!(parse("unix:@db").unwrap(), ["unix:@db"]);
        let bytes = addresses(OsStr::from_bytes(b"unix:/\xff"), Path::new("/")).unwrap();
        assert_eq!(bytes, [OsStr::from_bytes(b"unix:/\xff")]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "host", ":80", "host:", "host:0", "host:http", "host:65536", "unix:", "unix:@"] {
            assert!(matches!(parse(bad), Err(Error::Form { .. })), "{bad}");
        }
        for bad in ["unix:a\nb", "unix:@a\nb"] {
            assert!(matches!(parse(bad), Err(Error::Newline { .. })), "{bad}");
        }
    }

    #[test]
    fn a_name_that_does_not_resolve_is_named() {
        let message = parse("no-such-host.invalid:80").unwrap_err().to_string();
        assert!(message.contains("no-such-host.invalid:80") && message.contains("does not resolve"), "{message}");
    }
}
