//! The FIFO server: one thread per pair of FIFOs.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::mischief::Mischief;
use super::{Options, ready};
use crate::drill::{Sabotage, wire};
use crate::frames::{Frame, Frames};
use crate::record::{HEADER, Kind};

/// Serves all pairs of FIFOs in a directory.
pub(super) fn serve(options: &Options) -> io::Result<()> {
    let root = Path::new(&options.at);
    // At the beginning no client is there yet, and the other ends can be waited for only after saying that we are here.
    ready()?;
    let threads = (0..options.connections).map(|connection| {
        let requests = wire::requests(root, connection);
        let answers = wire::answers(root, connection);
        let mischief = Mischief::new(options, u64::from(connection));
        let incarnation = options.incarnation;
        std::thread::Builder::new().spawn(move || -> io::Result<()> {
            // Without waiting: a client that recovers its other end first must not wait for us while we wait for it.
            let input = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(requests)?;
            let output = OpenOptions::new().write(true).open(answers)?;
            rustix::io::ioctl_fionbio(&input, false)?;
            Pair { output, mischief, connection, seen: HashSet::new() }.answer_all(input, incarnation)
        })
    });
    for thread in threads.collect::<io::Result<Vec<_>>>()? {
        // The server goes on for the other clients, and ends by being killed.
        let _ = thread.join();
    }
    std::thread::park();
    Ok(())
}

struct Pair {
    output: File,
    mischief: Mischief,
    connection: u32,
    seen: HashSet<u64>,
}

impl Pair {
    fn answer_all(mut self, mut input: File, incarnation: u64) -> io::Result<()> {
        self.output.write_all(&wire::record(Kind::Hello, self.connection, incarnation).encode())?;
        let mut frames = Frames::of(wire::SIZE);
        let mut bytes = [0; 4096];
        loop {
            match input.read(&mut bytes) {
                Ok(0) => {
                    // No writer at the moment. One that recovers is about to come back.
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
                Ok(count) => frames.push(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            while let Some(frame) = frames.pop() {
                match frame {
                    Frame::Whole(request) if request.kind == Kind::Request => self.answer(request.number)?,
                    Frame::Whole(_) => self.refuse()?,
                    // The last server was killed between two reads of one request.
                    Frame::Torn => {}
                }
            }
        }
    }

    fn refuse(&mut self) -> io::Result<()> {
        self.output.write_all(&wire::record(Kind::Refusal, self.connection, 0).encode())
    }

    fn answer(&mut self, number: u64) -> io::Result<()> {
        if !self.seen.insert(number) {
            return Ok(());
        }
        let mut bytes = wire::record(Kind::Answer, self.connection, number).encode();
        match self.mischief.sabotages(number) {
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
