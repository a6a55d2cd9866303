//! A client that opens, reads, validates and rolls back, over a covered connection.
//!
//! The two libraries share the work. That the server dies is libha's: the covered connection comes back by itself, and the
//! request that had no answer is sent again. That the server lives and talks nonsense is the sequence's: it asks again, and
//! when that does not help, it rolls back as far as the connection.
//!
//! ```sh
//! cargo run -p ha-checkpoint --example quotes
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ha_checkpoint::{Next, Node, Report, Sequence, Verdict};
use ha_core::{Covered, Reconnect};

/// Quotes to get.
const WANTED: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Open,
    Read,
    Validate,
}

/// What there is to give back.
enum Holding {
    Connection,
    Answer,
}

type ClientNode = Node<Step, Client, io::Error, Holding>;

/// What the functions of the nodes work on.
#[derive(Debug)]
struct Client {
    address: String,
    server: Option<Covered>,
    /// The number of the quote that is asked for; also known to the recovery, which asks again.
    asked: Arc<AtomicU32>,
    answer: String,
    nonsense: u32,
    done: Account,
}

/// What has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The quotes, in order.
    pub(crate) quotes: Vec<u32>,
    /// Connections that the sequence has opened.
    pub(crate) opened: u32,
    /// Connections that libha has brought back.
    pub(crate) recovered: u64,
    /// Answers that were not valid.
    pub(crate) nonsense: u32,
}

/// One write, so that one connection gets all of it.
fn request(asked: &AtomicU32) -> Vec<u8> {
    format!("{}\n", asked.load(Ordering::Relaxed)).into_bytes()
}

fn open() -> ClientNode {
    ClientNode::new(Step::Open, |client, visit| {
        let asked = Arc::clone(&client.asked);
        let ask_again = Reconnect::to([client.address.clone()])
            .then(move |server, _| ha_core::rustix::io::write(server, &request(&asked)).map(drop).map_err(Into::into));
        let stream = TcpStream::connect(&client.address)?;
        let within = Duration::from_secs(10);
        client.server = Some(ha_core::cover(stream).recovered_by(ask_again).within(within).attach()?);
        client.done.opened += 1;
        visit.checkpoint(Holding::Connection);
        Ok(Next::To(Step::Read))
    })
    .rollback(|client, visit| {
        if let Some(Holding::Connection) = visit.reached() {
            client.close();
            visit.clear();
        }
        Ok(Next::To(Step::Open))
    })
    .pause(|pause| Duration::from_millis(10) * pause)
}

fn read() -> ClientNode {
    ClientNode::new(Step::Read, |client, visit| {
        let mut server = client.server.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        server.write_all(&request(&client.asked))?;
        visit.checkpoint(Holding::Answer);
        if BufReader::new(server).read_line(&mut client.answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Next::To(Step::Validate))
    })
    .rollback(|client, visit| {
        if let Some(Holding::Answer) = visit.reached() {
            client.answer.clear();
            visit.clear();
        }
        // Asking this server again does not help: an error goes back to where the connection is opened.
        if client.nonsense == 3 {
            return Err(io::Error::other("three wrong answers in a row"));
        }
        Ok(Next::To(Step::Read))
    })
}

fn validate() -> ClientNode {
    ClientNode::new(Step::Validate, |client, _| {
        let number = client.asked.load(Ordering::Relaxed);
        let answer = client.answer.split_once(' ').and_then(|(asked, quote)| {
            let asked: u32 = asked.parse().ok()?;
            quote.trim_end().parse().ok().filter(|_| asked == number)
        });
        let Some(quote) = answer else {
            client.nonsense += 1;
            client.done.nonsense += 1;
            return Err(io::ErrorKind::InvalidData.into());
        };
        client.answer.clear();
        client.nonsense = 0;
        client.done.quotes.push(quote);
        client.asked.store(number + 1, Ordering::Relaxed);
        Ok(if number == WANTED { Next::Finish } else { Next::To(Step::Read) })
    })
    // Looking at the same answer again does not help either.
    .policy(|_, report, _| match report {
        Report::NormalFail(_) => Verdict::RollBackPrevious,
        _ => report.default_verdict(),
    })
}

impl Client {
    fn close(&mut self) {
        self.nonsense = 0;
        if let Some(server) = self.server.take() {
            self.done.recovered += server.report().recoveries;
        }
    }
}

/// Serves one connection after another, each in its own way: the first dies after three answers, the second talks nonsense
/// from the fifth quote on, the third is well.
fn serve(listener: &TcpListener) -> io::Result<()> {
    for connection in 1..=3 {
        let (mut client, _) = listener.accept()?;
        let requests = BufReader::new(client.try_clone()?).lines();
        for (answered, request) in requests.enumerate() {
            let number: u32 = request?.parse().map_err(io::Error::other)?;
            if connection == 2 && number >= 5 {
                writeln!(client, "This is bad data")?;
            } else {
                writeln!(client, "{number} {}", number * number)?;
            }
            if connection == 1 && answered == 2 {
                break;
            }
        }
    }
    Ok(())
}

/// Runs the client against a server in this process.
///
/// # Errors
///
/// The sequence has not finished, or the server has not.
pub(crate) fn run() -> Result<Account, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = Client {
        address: listener.local_addr()?.to_string(),
        server: None,
        asked: Arc::new(AtomicU32::new(1)),
        answer: String::new(),
        nonsense: 0,
        done: Account::default(),
    };
    let server = std::thread::spawn(move || serve(&listener));
    let mut sequence = Sequence::new([open(), read(), validate()])?.observer(|event| eprintln!("{event:?}"));
    sequence.run(&mut client, Step::Open)?;
    client.close();
    server.join().map_err(|_| "the server has panicked")??;
    Ok(client.done)
}

#[allow(dead_code, reason = "the test of this example runs it without")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("{:?}", run()?);
    Ok(())
}
