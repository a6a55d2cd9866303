use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

use rustix::event::{PollFlags, epoll};
use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::*;
use crate::connection::function::Failure;
use crate::kernel::description::{same_description, wait_for};
use crate::table::Kind;

const LONG: Duration = Duration::from_secs(10);

fn attempt(old: BorrowedFd<'_>) -> Attempt<'_> {
    Attempt {
        old,
        number: old.as_raw_fd(),
        kind: Kind::Stream,
        failure: Failure::EndOfFile,
        count: 1,
        deadline: Some(crate::sync::clock::Moment::after(LONG)),
        unread: 0,
        unsent: None,
        known_size: 0,
        in_place: true,
    }
}

fn staged(result: Result<Recovered, RecoveryError>) -> OwnedFd {
    match result.unwrap() {
        Recovered::Staged(new) => new,
        Recovered::InPlace => panic!("expected a new socket"),
    }
}

struct Server {
    listener: TcpListener,
    address: String,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    /// A client whose connection the server has ended.
    fn dead_client(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        drop(self.accept());
        while !wait_for(client.as_fd(), PollFlags::IN, LONG).unwrap() {}
        client
    }

    fn accept(&self) -> TcpStream {
        self.listener.accept().unwrap().0
    }
}

/// An address where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn what_a_dead_socket_holds_is_not_lost_to_an_address_of_another_family() {
    let server = Server::start();
    let client = TcpStream::connect(&server.address).unwrap();
    let mut connection = server.accept();
    connection.write_all(b"bye").unwrap();
    drop(connection);
    while !wait_for(client.as_fd(), PollFlags::RDHUP, LONG).unwrap() {}
    let nobody = Reconnect::to(["[::1]:1"]);
    assert!(matches!(nobody.recover(&attempt(client.as_fd())), Err(RecoveryError::Again(_))));
    let mut held = String::new();
    (&client).read_to_string(&mut held).unwrap();
    assert_eq!(held, "bye");
}

#[test]
fn a_dead_connection_is_revived_in_place_with_its_dups_and_registrations() {
    let server = Server::start();
    let client = server.dead_client();
    let dup = client.try_clone().unwrap();
    client.set_nodelay(true).unwrap();
    let watch = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(&watch, &client, epoll::EventData::new_u64(5), epoll::EventFlags::IN).unwrap();

    let recovered = Reconnect::to([server.address.as_str()]).recover(&attempt(client.as_fd())).unwrap();
    assert!(matches!(recovered, Recovered::InPlace));
    server.accept().write_all(b"again").unwrap();
    let mut events = Vec::with_capacity(1);
    rustix::io::retry_on_intr(|| epoll::wait(&watch, rustix::buffer::spare_capacity(&mut events), None)).unwrap();
    let data = events.first().map(|event: &epoll::Event| event.data.u64());
    assert_eq!(data, Some(5));
    let mut answer = [0; 5];
    (&dup).read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"again");
    assert!(client.nodelay().unwrap());
    assert_eq!(client.write_timeout().unwrap(), None);
    assert!(!rustix::fs::fcntl_getfl(&client).unwrap().contains(OFlags::NONBLOCK));
}

#[test]
fn a_non_blocking_socket_is_revived_and_stays_non_blocking() {
    let server = Server::start();
    let client = server.dead_client();
    client.set_nonblocking(true).unwrap();
    let recovered = Reconnect::to([server.address.as_str()]).recover(&attempt(client.as_fd())).unwrap();
    assert!(matches!(recovered, Recovered::InPlace));
    assert!(rustix::fs::fcntl_getfl(&client).unwrap().contains(OFlags::NONBLOCK));
}

#[test]
fn a_connection_that_another_process_has_revived_is_adopted_not_cut() {
    let server = Server::start();
    let client = TcpStream::connect(&server.address).unwrap();
    let mut accepted = server.accept();
    let recovered = Reconnect::to([nobody()]).recover(&attempt(client.as_fd())).unwrap();
    assert!(matches!(recovered, Recovered::InPlace));
    accepted.write_all(b"x").unwrap();
    (&client).read_exact(&mut [0]).unwrap();
}

#[test]
fn a_refused_socket_is_revived_by_a_later_attempt() {
    let server = Server::start();
    let client = server.dead_client();
    let refused = Reconnect::to([nobody()]).recover(&attempt(client.as_fd()));
    assert!(matches!(refused, Err(RecoveryError::Again(error)) if error.kind() == io::ErrorKind::ConnectionRefused));
    let recovered = Reconnect::to([nobody(), server.address.clone()]).recover(&attempt(client.as_fd())).unwrap();
    assert!(matches!(recovered, Recovered::InPlace));
}

#[test]
fn where_the_policy_forbids_it_the_old_socket_is_left_alone() {
    let server = Server::start();
    let client = server.dead_client();
    client.set_nodelay(true).unwrap();
    sockopt::set_socket_keepalive(&client, true).unwrap();
    let forked = Attempt { in_place: false, ..attempt(client.as_fd()) };
    for (function, attempt) in [
        (Reconnect::to([server.address.as_str()]), &forked),
        (Reconnect::to([server.address.as_str()]).in_place(false), &attempt(client.as_fd())),
    ] {
        let new = staged(function.recover(attempt));
        assert_eq!(same_description(new.as_raw_fd(), client.as_raw_fd()), Some(false));
        assert!(sockopt::tcp_nodelay(&new).unwrap());
        assert!(sockopt::socket_keepalive(&new).unwrap());
        assert!(!rustix::fs::fcntl_getfl(&new).unwrap().contains(OFlags::NONBLOCK));
    }
    assert_eq!(tcp_state(client.as_fd()), Some(TcpState::CloseWait));
}

#[test]
fn words_and_hook_come_first_on_a_new_connection() {
    let server = Server::start();
    let client = server.dead_client();
    let function = Reconnect::to([server.address.as_str()]).saying("HELLO ").then(|socket, attempt| {
        assert!(!rustix::fs::fcntl_getfl(socket)?.contains(OFlags::NONBLOCK));
        assert_eq!(attempt.count(), 1);
        rustix::io::write(socket, b"LOGIN")?;
        Ok(())
    });
    let new = staged(function.recover(&attempt(client.as_fd())));
    let mut said = [0; 11];
    server.accept().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HELLO LOGIN");
    drop(new);
}

#[test]
fn a_server_that_says_nothing_holds_a_hook_no_longer_than_the_deadline() {
    let server = Server::start();
    let client = server.dead_client();
    let function =
        Reconnect::to([server.address.as_str()]).then(|socket, _| Ok(rustix::io::read(socket, &mut [0; 1]).map(drop)?));
    let soon = crate::sync::clock::Moment::after(Duration::from_millis(20));
    let result = function.recover(&Attempt { deadline: Some(soon), ..attempt(client.as_fd()) });
    assert!(matches!(result, Err(RecoveryError::Again(error)) if error.kind() == io::ErrorKind::WouldBlock));
}

#[test]
fn the_timeouts_of_the_old_socket_are_those_of_the_new_one_after_the_hook() {
    let server = Server::start();
    let client = server.dead_client();
    client.set_read_timeout(Some(Duration::from_secs(77))).unwrap();
    let function = Reconnect::to([server.address.as_str()]).then(|_, _| Ok(()));
    let new = TcpStream::from(staged(function.recover(&attempt(client.as_fd()))));
    assert_eq!(new.read_timeout().unwrap(), Some(Duration::from_secs(77)));
    assert_eq!(new.write_timeout().unwrap(), None);
}

#[test]
fn a_listening_socket_is_refused_when_attached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = Reconnect::to(["127.0.0.1:1"]).attached(listener.as_fd()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn later_attempts_give_an_address_more_time() {
    let (client, _server) = std::os::unix::net::UnixStream::pair().unwrap();
    let share_of = |count| share(&Attempt { count, ..attempt(client.as_fd()) });
    assert_eq!(share_of(1), AT_FIRST);
    assert_eq!(share_of(2), AT_FIRST * 2);
    assert_eq!(share_of(100), PER_ADDRESS);
}

#[test]
fn a_hook_that_fails_closes_the_new_connection() {
    let server = Server::start();
    let client = server.dead_client();
    let function = Reconnect::to([server.address.as_str()]).then(|_, _| Err(io::Error::other("not yet")));
    assert!(matches!(function.recover(&attempt(client.as_fd())), Err(RecoveryError::Again(_))));
    assert_eq!(server.accept().read(&mut [0]).unwrap(), 0);
}

#[test]
fn another_address_family_takes_a_new_socket() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let address = listener.local_addr().unwrap().to_string();
    let client = Server::start().dead_client();
    let new = staged(Reconnect::to([address]).recover(&attempt(client.as_fd())));
    assert_eq!(sockopt::socket_domain(&new).unwrap(), AddressFamily::INET6);
}

#[test]
fn a_unix_stream_gets_a_new_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    drop(listener.accept().unwrap());
    let function = Reconnect::to_unix(&path);
    function.attached(client.as_fd()).unwrap();
    let new = staged(function.recover(&attempt(client.as_fd())));
    listener.accept().unwrap().0.write_all(b"x").unwrap();
    std::fs::File::from(new).read_exact(&mut [0]).unwrap();
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(function.recover(&attempt(client.as_fd())), Err(RecoveryError::Again(_))));
    assert_eq!(function.target(), Some(Target::Path(path)));
}

#[test]
fn a_seqpacket_socket_in_the_abstract_namespace_stays_seqpacket() {
    let name = format!("libha-test-{}", std::process::id()).into_bytes();
    let address = rustix::net::SocketAddrUnix::new_abstract_name(&name).unwrap();
    let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 4).unwrap();
    let old = rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let new = staged(Reconnect::to_abstract(name).recover(&attempt(old.as_fd())));
    assert_eq!(sockopt::socket_type(&new).unwrap(), SocketType::SEQPACKET);
}

#[test]
fn what_could_never_work_is_refused_when_attached() {
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let none: [&str; 0] = [];
    for function in [Reconnect::to(none), Reconnect::to(["no-port"]), Reconnect::to_unix("relative")] {
        assert_eq!(function.attached(socket.as_fd()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(matches!(function.recover(&attempt(socket.as_fd())), Err(RecoveryError::Final(_))));
    }
    let file = tempfile::tempfile().unwrap();
    let error = Reconnect::to(["localhost:1"]).attached(file.as_fd()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
