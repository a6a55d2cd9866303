//! The storm's server: echoes, and counts when connections come. It ends with its standard input, or its parent.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Instant;

use clap::Args;
use ha_bench::tables::raise_limit;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::process::{Signal, set_parent_process_death_signal};

/// The width of the bins in which connections are counted.
pub(crate) const BIN_MILLISECONDS: u64 = 20;

#[derive(Debug, Args)]
pub(crate) struct Options {
    pub(crate) address: SocketAddr,
}

pub(crate) fn run(options: &Options) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    raise_limit(1 << 17);
    let listener = listen(options.address)?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let (of_listener, of_input) = (u64::MAX, u64::MAX - 1);
    epoll::add(&epoll, &listener, EventData::new_u64(of_listener), EventFlags::IN)?;
    epoll::add(&epoll, io::stdin(), EventData::new_u64(of_input), EventFlags::IN)?;
    let mut bins: Vec<u64> = Vec::new();
    let mut connections: HashMap<u64, TcpStream> = HashMap::new();
    let began = Instant::now();
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == of_input {
                println!("{}", serde_json::to_string(&bins)?);
                return Ok(());
            } else if key == of_listener {
                while let Ok((stream, _)) = listener.accept() {
                    let bin = (began.elapsed().as_millis() as u64 / BIN_MILLISECONDS) as usize;
                    bins.resize(bins.len().max(bin + 1), 0);
                    bins[bin] += 1;
                    stream.set_nonblocking(true)?;
                    let key = stream.as_raw_fd() as u64;
                    epoll::add(&epoll, &stream, EventData::new_u64(key), EventFlags::IN)?;
                    connections.insert(key, stream);
                }
            } else if !connections.get(&key).is_some_and(echo) {
                connections.remove(&key);
            }
        }
    }
}

/// Whether the connection lives.
fn echo(stream: &TcpStream) -> bool {
    let (mut stream, mut room) = (stream, [0; 64]);
    match stream.read(&mut room) {
        Ok(0) => false,
        Ok(count) => stream.write_all(&room[..count]).is_ok(),
        Err(why) => why.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Listens where the last server has just died.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, 4096)?;
    Ok(socket.into())
}
