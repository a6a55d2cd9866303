//! The stream server: answers numbered requests, over TCP or a Unix socket.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use super::answers::Answers;
use super::mischief::Mischief;
use super::{Options, ready};
use crate::drill::wire;
use crate::record::{self, Flaw, HEADER, Record};

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
            let _ = Answers::greet(output, mischief, wire::ANSWER_PAYLOAD, incarnation)
                .and_then(|answers| converse(answers, BufReader::new(input)));
        })?;
    }
    Ok(())
}

fn converse<S: Write>(mut answers: Answers<S>, mut input: impl Read) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        match receive(&mut input, &mut bytes)? {
            Ok(record) => answers.answer(record)?,
            // From here on nothing can be understood.
            Err(_) => return answers.refuse(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Kind;

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
