//! Which sockets are covered: those that are connected to the server that was named, whatever it is called.

use std::net::TcpListener;

use super::client::Meeting;
use super::server::Course;
use super::server::Death::Fin;
use super::server::Life::{After, Long};

const STEPS: [&str; 3] = ["a", "died", "b"];
const HEALED: &str = "a b'a@1\\n'\nb b'b@2\\n'\nfinished None\n";

fn meeting(flavour: &str) -> Meeting<'_> {
    Meeting::of(flavour, &Course::of(&[After(1, Fin), Long]), &STEPS)
}

#[test]
fn a_socket_connected_elsewhere_is_not_touched() {
    let meeting = meeting("Blocking");
    let without = meeting.without_libha();
    for elsewhere in ["127.0.0.1:1", "unix:/nowhere", "unix:@nowhere"] {
        let server = meeting.course.start();
        let told = meeting.with_libha_at(&server, elsewhere, &server.address(), &[]);
        assert_eq!(told.outcome, without.outcome);
        assert!(!told.log.contains("covered"), "{}", told.log);
    }
}

#[test]
fn another_port_of_the_same_host_is_elsewhere() {
    let meeting = meeting("Blocking");
    let server = meeting.course.start();
    let address = server.address();
    let (host, _) = address.rsplit_once(':').unwrap();
    let told = meeting.with_libha_at(&server, &format!("{host}:1"), &address, &[]);
    assert_eq!(told.outcome, meeting.without_libha().outcome);
}

#[test]
fn one_of_several_servers_is_enough() {
    let meeting = meeting("Blocking");
    let told = meeting.with_libha(&["--reconnect", "127.0.0.1:1", "--reconnect", "unix:/nowhere"]);
    assert_eq!(told.outcome, HEALED, "{}", told.log);
}

#[test]
fn an_ipv4_address_in_an_ipv6_socket_is_the_same_server_and_stays_in_an_ipv6_socket() {
    if TcpListener::bind("[::1]:0").is_err() {
        return crate::support::skipped("there is no IPv6");
    }
    for named_as_mapped in [false, true] {
        let meeting = Meeting::of("Family", &meeting("Family").course, &["a", "died", "b", "end"]);
        let server = meeting.course.start();
        let address = server.address();
        let (host, port) = address.rsplit_once(':').unwrap();
        let mapped = format!("[::ffff:{host}]:{port}");
        let covered = if named_as_mapped { &mapped } else { &address };
        let told = meeting.with_libha_at(&server, covered, &mapped, &[]);
        let expected = format!("a b'a@1\\n'\nb b'b@2\\n'\nend AF_INET6 ::ffff:{host}\nfinished None\n");
        assert_eq!(told.outcome, expected, "{}", told.log);
    }
}

#[test]
fn a_path_is_the_same_server_however_it_is_written() {
    let meeting = Meeting::of("Blocking", &meeting("Blocking").course.at(super::server::Where::UnixPath), &STEPS);
    let server = meeting.course.start();
    let covered = server.address();
    let (directory, name) = covered.rsplit_once('/').unwrap();
    let told = meeting.with_libha_at(&server, &covered, &format!("{directory}/./{name}"), &[]);
    assert_eq!(told.outcome, HEALED, "{}", told.log);
}

#[test]
fn a_refused_connection_is_refused() {
    // Its port is bound, so that nobody else listens there, but it does not listen.
    let nobody = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    let any = std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(127, 78, 0, 1), 0);
    rustix::net::bind(&nobody, &any).unwrap();
    let address = std::net::SocketAddr::try_from(rustix::net::getsockname(&nobody).unwrap()).unwrap().to_string();
    for flavour in super::client::FLAVOURS {
        let meeting = Meeting::of(flavour, &Course::of(&[Long]), &["a"]);
        let server = meeting.course.start();
        let told = meeting.with_libha_at(&server, &address, &address, &[]);
        assert!(told.outcome.contains("ConnectionRefusedError 111"), "{flavour}: {told:?}");
    }
}
