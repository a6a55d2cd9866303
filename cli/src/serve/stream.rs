//! The stream server: answers numbered requests, over TCP or a Unix socket.
//!
//! An answer is a function of the request's number, so asking again is harmless. Within one connection a number is
//! answered once; a client may well send one twice when a recovery and an interrupted call both bring it.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use super::mischief::Mischief;
use super::{Options, ready};
use crate::drill::{Sabotage, wire};
use crate::record::{self, Flaw, HEADER, Kind, Record};

/// Serves TCP on loopback.
pub(super) fn over_tcp(options: &Options) -> io::Result<()> {
    let listener = TcpListener::bind(&options.at)?;
    serve(options, || {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok((stream.try_clone()?, stream))
    })
}

/// Serves a Unix stream socket.
pub(super) fn over_unix(options: &Options) -> io::Result<()> {
    // The last server was killed and left its socket behind.
    let _ = fs::remove_file(&options.at);
    let listener = UnixListener::bind(&options.at)?;
    serve(options, || {
        let (stream, _) = listener.accept()?;
        Ok((stream.try_clone()?, stream))
    })
}

fn serve<S>(options: &Options, accept: impl Fn() -> io::Result<(S, S)>) -> io::Result<()>
where
    S: Read + Write + Send + 'static,
{
    ready()?;
    let incarnation = options.incarnation;
    for client in 0.. {
        // A client that goes away while it is being accepted is no reason to end.
        let Ok((input, output)) = accept() else { continue };
        let mischief = Mischief::new(options, client);
        std::thread::Builder::new().spawn(move || {
            // The connection ends when the client leaves, and nobody is interested in how.
            let _ =
                Client { output, mischief, seen: HashSet::new() }.greet_and_answer(BufReader::new(input), incarnation);
        })?;
    }
    Ok(())
}

struct Client<S> {
    output: S,
    mischief: Mischief,
    seen: HashSet<u64>,
}

impl<S: Write> Client<S> {
    fn greet_and_answer(mut self, mut input: impl Read, incarnation: u64) -> io::Result<()> {
        self.output.write_all(&answer(Kind::Hello, 0, incarnation))?;
        let mut bytes = Vec::new();
        loop {
            match receive(&mut input, &mut bytes)? {
                Ok(request) if request.kind == Kind::Request => self.answer(request)?,
                _ => {
                    // From here on nothing can be understood. The client will count this as corruption.
                    self.output.write_all(&answer(Kind::Refusal, 0, 0))?;
                    return Ok(());
                }
            }
        }
    }

    fn answer(&mut self, request: Record) -> io::Result<()> {
        if !self.seen.insert(request.number) {
            return Ok(());
        }
        let mut bytes = answer(Kind::Answer, request.connection, request.number);
        match self.mischief.sabotages(request.number) {
            None => {}
            Some(Sabotage::Lose) => return Ok(()),
            Some(Sabotage::Corrupt) => bytes[HEADER + 1] ^= 0x10,
            Some(Sabotage::Duplicate) => self.output.write_all(&bytes)?,
        }
        let Some((cut, pause)) = self.mischief.cut(bytes.len()) else { return self.output.write_all(&bytes) };
        self.output.write_all(&bytes[..cut])?;
        std::thread::sleep(pause);
        self.output.write_all(&bytes[cut..])
    }
}

/// Reads one record; the inner error says what is wrong with it.
fn receive(input: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Result<Record, Flaw>> {
    bytes.resize(HEADER, 0);
    input.read_exact(bytes)?;
    let header = match record::header(bytes) {
        Ok(header) => header,
        Err(flaw) => return Ok(Err(flaw)),
    };
    bytes.resize(header.size(), 0);
    input.read_exact(&mut bytes[HEADER..])?;
    Ok(record::verify(bytes))
}

fn answer(kind: Kind, connection: u32, number: u64) -> Vec<u8> {
    Record { kind, connection, number, payload: wire::ANSWER_PAYLOAD }.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_request_ends_like_a_closed_connection() {
        let request = Record { kind: Kind::Request, connection: 0, number: 1, payload: 50 }.encode();
        let error = receive(&mut &request[..60], &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn bytes_that_are_no_request_are_recognised() {
        let bytes = [7_u8; 400];
        assert_eq!(receive(&mut &bytes[..], &mut Vec::new()).unwrap(), Err(Flaw::Magic));
    }
}
