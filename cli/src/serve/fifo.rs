//! The FIFO server: one thread per pair of FIFOs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::answers::Answers;
use super::mischief::Mischief;
use super::{Options, ready};
use crate::drill::wire;
use crate::frames::{Frame, Frames};
use crate::record::HEADER;

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
            // Nothing is read before the greeting is out: a client concludes from it what this server can have read.
            converse(Answers::greet(output, mischief, (wire::SIZE - HEADER) as u32, incarnation)?, input)
        })
    });
    for thread in threads.collect::<io::Result<Vec<_>>>()? {
        // The server goes on for the other clients, and ends by being killed.
        let _ = thread.join();
    }
    std::thread::park();
    Ok(())
}

fn converse(mut answers: Answers<File>, mut input: File) -> io::Result<()> {
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
                Frame::Whole(record) => answers.answer(record)?,
                // The last server was killed between two reads of one request.
                Frame::Torn => {}
            }
        }
    }
}
