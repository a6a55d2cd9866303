//! Death: is this result one of a connection that is gone, or one that a healthy connection gives?
//!
//! The rules that need nothing but the result and the policy come first; those that have to ask the kernel follow.
//! A wrong "dead" costs a recovery that was not needed and cuts a live connection; a wrong "alive" lets the program
//! see the error it would have seen without libha. So whatever is in doubt is alive.

use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, OFlags, StatxFlags, fcntl_getfl, fstat, statx};
use rustix::io::{self, Errno};

use super::descriptor::descriptor;
use super::request::Request;
use crate::connection::function::Failure;
use crate::connection::{Connection, Operation};
use crate::kernel::{file_offset, is_open, looks_alive};
use crate::sync::clock::sleep;
use crate::table::Kind;

/// What a result says about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Diagnosis {
    Alive,
    Dead(Failure),
    /// The read claims an end of file inside the file. It has to be made again before anything is believed.
    Doubtful,
}

use Diagnosis::{Alive, Dead, Doubtful};

/// Judges a result that [`Request::is_met_by`] did not wave through.
pub(super) fn diagnose(
    connection: &Connection,
    number: RawFd,
    request: &Request,
    result: io::Result<usize>,
) -> Diagnosis {
    let operation = request.operation;
    match result {
        _ if operation == Operation::Passive => Alive,
        _ if request.length == 0 && matches!(operation, Operation::Read { .. } | Operation::Write) => Alive,
        _ if connection.policy.unaware && connection.was_locked() => Alive,
        _ if connection.policy.watch.as_ref().is_some_and(|watch| {
            // What was moved was part of a request or an answer; and a new connection would not be shut.
            let has_moved = result.is_ok_and(|moved| moved > 0);
            has_moved || connection.read_is_shut() || connection.write_is_shut() || !watch.permits(operation)
        }) =>
        {
            Alive
        }
        Err(errno) => judge_errno(connection, number, request, errno),
        Ok(moved) => match operation {
            Operation::Read { at } if moved == 0 => judge_end_of_file(connection, number, at),
            Operation::Read { .. } | Operation::Write => judge_short(connection, number, moved),
            Operation::Sync | Operation::Control | Operation::Passive => Alive,
        },
    }
}

/// Whether this errno needs no look at the connection at all: a healthy one gives it all the time.
pub(super) fn is_everyday(connection: &Connection, result: io::Result<usize>) -> bool {
    let everyday = |errno| matches!(errno, Errno::AGAIN | Errno::INTR | Errno::INPROGRESS);
    result.is_err_and(|errno| everyday(errno) && !connection.policy.also_deadly.contains(errno))
}

/// Whether a result of this kind of description may show a death at all. Needs nothing but the two: safe in signal handlers.
pub(super) fn may_show_one(kind: Kind, result: io::Result<usize>) -> bool {
    result.map_or_else(|errno| matches!(errno, Errno::BADF | Errno::SRCH) || kills(kind, errno), |_| true)
}

fn judge_errno(connection: &Connection, number: RawFd, request: &Request, errno: Errno) -> Diagnosis {
    let policy = &connection.policy;
    let deadly = match errno {
        _ if policy.not_deadly.contains(errno) => false,
        // A wrong access mode gives EBADF as well, on a number that is open.
        Errno::BADF => !is_open(number),
        _ if policy.also_deadly.contains(errno) => true,
        Errno::SRCH => true,
        _ if is_said_of_healthy_files(connection, request, errno) => !file_answers(descriptor(number)),
        _ if kills(connection.kind, errno) => !follows_from_the_application(connection, request, errno),
        _ => false,
    };
    let is_anothers = || request.shared && is_there(connection.kind, descriptor(number));
    if deadly && !is_anothers() { Dead(Failure::Errno(errno)) } else { Alive }
}

/// Whether a description that a call has failed on shows to be alive.
///
/// A file server that has lost what is behind it may answer from its own cache until it ends (sshfs, in 1 of 15 deaths). So a file
/// is asked for a quarter of a second.
fn is_there(kind: Kind, descriptor: BorrowedFd<'_>) -> bool {
    if kind != Kind::File {
        return looks_alive(descriptor);
    }
    let pauses = (0..8).map(|doubled| Duration::from_millis(1 << doubled));
    file_answers(descriptor)
        && pauses.into_iter().all(|pause| {
            sleep(pause);
            file_answers(descriptor)
        })
}

/// The errnos by which a dead server shows, by kind of description.
pub(super) fn kills(kind: Kind, errno: Errno) -> bool {
    match kind {
        Kind::File => matches!(
            errno,
            Errno::NOTCONN
                | Errno::CONNABORTED
                | Errno::STALE
                | Errno::IO
                | Errno::NODEV
                | Errno::NXIO
                | Errno::HOSTDOWN
                | Errno::SHUTDOWN
                | Errno::TIMEDOUT
        ),
        Kind::Stream | Kind::Socket | Kind::Pipe => matches!(
            errno,
            Errno::CONNRESET
                | Errno::PIPE
                | Errno::NOTCONN
                | Errno::CONNABORTED
                | Errno::SHUTDOWN
                | Errno::NETDOWN
                | Errno::NETRESET
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::TIMEDOUT
        ),
        Kind::Terminal => matches!(errno, Errno::IO | Errno::NODEV | Errno::NXIO | Errno::NOTCONN),
        Kind::Channel | Kind::Other => false,
    }
}

/// Whether a file that is there can give this error as well: one that cannot be mapped into memory (mmap), or has no more data
/// (SEEK_DATA).
fn is_said_of_healthy_files(connection: &Connection, request: &Request, errno: Errno) -> bool {
    connection.kind == Kind::File
        && request.operation == Operation::Control
        && matches!(errno, Errno::NODEV | Errno::NXIO)
}

/// Whether the server of a file is there, which only it can say: past the attribute cache, which outlives it.
pub(super) fn file_answers(file: BorrowedFd<'_>) -> bool {
    let asked = statx(file, c"", AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC, StatxFlags::SIZE);
    asked.err().is_none_or(|errno| !kills(Kind::File, errno))
}

/// Whether the application has brought this error about itself.
fn follows_from_the_application(connection: &Connection, request: &Request, errno: Errno) -> bool {
    let shut_by_application =
        errno == Errno::PIPE && request.operation == Operation::Write && connection.write_is_shut();
    shut_by_application || connection.kind.is_socket() && !connection.was_connected()
}

fn judge_end_of_file(connection: &Connection, number: RawFd, at: Option<u64>) -> Diagnosis {
    let gone = match connection.kind {
        Kind::File => return judge_end_of_data(connection, number, at),
        Kind::Stream => {
            // Once the application has shut down its writing, an end of file is how the conversation ends.
            connection.was_connected() && !connection.read_is_shut() && !connection.write_is_shut()
        }
        Kind::Pipe => true,
        // Zero bytes may be an empty datagram; they are a death only if the peer has hung up.
        Kind::Socket | Kind::Terminal => has_hung_up(descriptor(number)) && !connection.read_is_shut(),
        Kind::Channel | Kind::Other => false,
    };
    if gone && connection.policy.end_of_file_is_death { Dead(Failure::EndOfFile) } else { Alive }
}

/// A dying network file system can answer a read in flight with a false end of file (sshfs: 6 of 6). So an end of file
/// below the size known so far is checked.
fn judge_end_of_data(connection: &Connection, number: RawFd, at: Option<u64>) -> Diagnosis {
    let Some(offset) = at.or_else(|| file_offset(number)) else { return Alive };
    if offset >= connection.known_size() {
        return Alive;
    }
    match fstat(descriptor(number)) {
        Err(errno) if kills(Kind::File, errno) => Dead(Failure::Errno(errno)),
        Ok(stat) if size(&stat) > offset => Doubtful,
        _ => Alive,
    }
}

/// Judges what the second read of a [`Doubtful`] end of file returned.
pub(super) fn confirm_end_of_data(
    connection: &Connection,
    number: RawFd,
    request: &Request,
    again: io::Result<usize>,
) -> Diagnosis {
    match again {
        Err(errno) => judge_errno(connection, number, request, errno),
        Ok(_) => Alive,
    }
}

/// Fewer bytes than asked for: the peer died in the middle, or this is how far a healthy call got.
fn judge_short(connection: &Connection, number: RawFd, moved: usize) -> Diagnosis {
    let torn = match connection.kind {
        Kind::Stream | Kind::Pipe => {
            !connection.read_is_shut()
                && !connection.write_is_shut()
                && !looks_alive(descriptor(number))
                && connection.policy.end_of_file_is_death
        }
        _ => false,
    };
    if torn { Dead(Failure::Torn(moved)) } else { Alive }
}

fn has_hung_up(descriptor: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(&descriptor, PollFlags::empty())];
    let answered = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    answered.is_ok() && polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

pub(crate) fn is_writable(descriptor: BorrowedFd<'_>) -> bool {
    fcntl_getfl(descriptor).is_ok_and(|flags| flags.intersects(OFlags::WRONLY | OFlags::RDWR))
}

pub(super) fn size(stat: &rustix::fs::Stat) -> u64 {
    stat.st_size.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::testing::connection_of;

    fn errno(kind: Kind, request: Request, errno: Errno) -> Diagnosis {
        diagnose(&connection_of(kind), 0, &request, Err(errno))
    }

    const READ: Request = Request::read(10);
    const WRITE: Request = Request::write(10);

    #[test]
    fn a_reset_kills_a_socket_but_not_a_file() {
        let reset = Errno::CONNRESET;
        assert_eq!(errno(Kind::Stream, READ, reset), Dead(Failure::Errno(reset)));
        assert_eq!(errno(Kind::File, READ, reset), Alive);
    }

    #[test]
    fn a_dead_file_server_shows_as_not_connected_or_stale() {
        for deadly in [Errno::NOTCONN, Errno::STALE, Errno::IO, Errno::CONNABORTED] {
            assert_eq!(errno(Kind::File, READ, deadly), Dead(Failure::Errno(deadly)));
        }
    }

    #[test]
    fn errors_of_the_caller_are_no_death() {
        for harmless in [Errno::INVAL, Errno::FAULT, Errno::AGAIN, Errno::INTR, Errno::NOSPC] {
            for kind in [Kind::File, Kind::Stream, Kind::Pipe, Kind::Terminal] {
                assert_eq!(errno(kind, WRITE, harmless), Alive);
            }
        }
    }

    #[test]
    fn a_file_that_answers_is_alive_although_it_cannot_be_mapped_or_has_no_more_data() {
        let file = tempfile::tempfile().unwrap();
        let connection = connection_of(Kind::File);
        for errno in [Errno::NODEV, Errno::NXIO] {
            let judge = |request| diagnose(&connection, file.as_raw_fd(), &request, Err(errno));
            assert_eq!(judge(Request::CONTROL), Alive);
            assert_eq!(judge(READ), Dead(Failure::Errno(errno)));
        }
    }

    #[test]
    fn an_error_of_a_call_on_two_numbers_is_that_of_the_one_that_is_dead() {
        let file = tempfile::tempfile().unwrap();
        let connection = connection_of(Kind::File);
        let judge = |request| diagnose(&connection, file.as_raw_fd(), &request, Err(Errno::NOTCONN));
        assert_eq!(judge(READ.shared()), Alive);
        assert_eq!(judge(READ), Dead(Failure::Errno(Errno::NOTCONN)));
    }

    #[test]
    fn ebadf_on_an_open_number_is_a_wrong_access_mode() {
        assert_eq!(errno(Kind::File, WRITE, Errno::BADF), Alive);
    }

    #[test]
    fn a_broken_pipe_after_our_own_shutdown_is_no_death() {
        let connection = connection_of(Kind::Stream);
        connection.note_shutdown(std::net::Shutdown::Write);
        assert_eq!(diagnose(&connection, 0, &WRITE, Err(Errno::PIPE)), Alive);
        assert_eq!(diagnose(&connection, 0, &READ, Ok(0)), Alive);
    }

    #[test]
    fn nothing_kills_a_socket_that_was_never_connected() {
        let connection = crate::testing::unconnected_socket();
        assert_eq!(diagnose(&connection, 0, &READ, Err(Errno::NOTCONN)), Alive);
        assert_eq!(diagnose(&connection, 0, &READ, Ok(0)), Alive);
    }

    #[test]
    fn end_of_file_kills_a_stream_but_a_request_for_nothing_does_not() {
        let connection = connection_of(Kind::Stream);
        assert_eq!(diagnose(&connection, 0, &READ, Ok(0)), Dead(Failure::EndOfFile));
        assert_eq!(diagnose(&connection, 0, &Request::read(0), Ok(0)), Alive);
    }
}
