//! Programs as sequences of nodes that can be rolled back.
//!
//! A *sequence* is a set of *nodes*, each up to three functions under one name. The *normal function* does the work and
//! says which node comes next. The *rollback function* undoes what the normal one has acquired, as far as its
//! *checkpoint* says that it got. The *policy* answers every *report* of the two, success or failure, with a *verdict*:
//! try again, go back to the node before, go to another, finish, fail. Nodes visited stand on a *stack*, so that going back
//! finds its way. A client that opens, reads and validates says so in three nodes, and what becomes of it when its server
//! dies is in one place instead of in every `if`:
//!
//! ```
//! use ha_checkpoint::{Next, Node, Report, RunError, Sequence, Verdict};
//! use std::io::{self, ErrorKind};
//!
//! #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
//! enum Step {
//!     Open,
//!     Read,
//! }
//!
//! /// What there is to undo.
//! enum Holding {
//!     Connection,
//! }
//!
//! #[derive(Default)]
//! struct Client {
//!     connection: Option<std::vec::IntoIter<io::Result<u8>>>,
//!     opened: u32,
//!     sum: u32,
//! }
//!
//! type ClientNode = Node<Step, Client, io::Error, Holding>;
//!
//! # fn open(time: u32) -> std::vec::IntoIter<io::Result<u8>> {
//! #     let answers = match time {
//! #         1 => vec![Ok(1), Err(ErrorKind::BrokenPipe.into())],
//! #         _ => vec![Ok(2), Err(ErrorKind::TimedOut.into()), Ok(40)],
//! #     };
//! #     answers.into_iter()
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let open_node = ClientNode::new(Step::Open, |client, visit| {
//!     client.opened += 1;
//!     client.connection = Some(open(client.opened));
//!     visit.checkpoint(Holding::Connection);
//!     Ok(Next::To(Step::Read))
//! })
//! .rollback(|client, visit| {
//!     if let Some(Holding::Connection) = visit.reached() {
//!         client.connection = None;
//!         visit.clear();
//!     }
//!     Ok(Next::To(Step::Open))
//! });
//! let read_node = ClientNode::new(Step::Read, |client, _| {
//!     for answer in client.connection.as_mut().ok_or(ErrorKind::NotConnected)? {
//!         client.sum += u32::from(answer?);
//!     }
//!     Ok(Next::Finish)
//! })
//! .policy(|_, report, _| match report {
//!     Report::NormalFail(error) if error.kind() == ErrorKind::BrokenPipe => Verdict::RollBackPrevious,
//!     _ => report.default_verdict(),
//! });
//!
//! let mut sequence = Sequence::new([open_node, read_node])?;
//! let mut client = Client::default();
//! sequence.run(&mut client, Step::Open)?;
//! assert_eq!((client.opened, client.sum), (2, 43)); // opened anew once, read on where only a read had failed
//! # Ok(()) }
//! ```
//!
//! # What is where
//!
//! * [`Node`] and [`Sequence`] are what a program is made of; [`Visit`] is what its functions see of the run.
//! * [`Report`] and [`Verdict`] are what policies are asked and answer; [`Report::default_verdict`] is the default policy.
//! * [`Node::pause`] waits between attempts, [`Sequence::observer`] tells what happens, [`Sequence::inject`] makes it fail.
//! * [`step`] is the core that decides what is next, without any of the client's code.
//!
//! # Rules that are not obvious
//!
//! The model and its names are those of HAFTA, a library of 2003; where that left something open it is decided like this:
//!
//! * [`Verdict::RollBackPrevious`] does not run the current node's rollback function; the previous node's runs, with the
//!   checkpoint of its own visit. It reports as after any rollback: its success names the node to go to.
//! * A node is on the stack once. Going to one that is there forgets those above it, without rolling them back.
//! * Failures are counted per node, those that the default policy answers; its own success, and leaving it, begin the count
//!   anew. The fifth goes back, not the sixth.
//! * A node without a rollback function is rolled back with success and tried again.
//! * Going back from the first node ends the run: [`RunError::PastFirst`].
//! * A checkpoint belongs to one visit of one node, and is cleared when the node is entered, be it for another attempt.
//!
//! # Limits
//!
//! * It is a program's own errors that are handled: panics unwind through the run, and a crash ends it. Nothing is stored.
//! * Nothing bounds a run as a whole: a node that always fails after one that always succeeds goes on for ever. A policy
//!   can count.
//!
//! # Features
//!
//! Without any, this crate depends on `std` alone. `backon` adds `Node::backoff`, `tracing` adds events (target
//! `ha::checkpoint`) for all that an observer is told.

mod error;
mod fault;
mod node;
mod observation;
mod report;
mod sequence;
pub mod step;
mod verdict;
mod visit;

pub use error::{BuildError, RunError};
pub use fault::Function;
pub use node::Node;
pub use observation::Observation;
pub use report::{Event, Next, Report};
pub use sequence::Sequence;
pub use verdict::Verdict;
pub use visit::Visit;
