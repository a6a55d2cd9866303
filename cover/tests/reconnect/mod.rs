//! Servers that die and clients that do not know of libha, for the tests of `ha run --reconnect`.

mod client;
mod server;

mod addresses;
mod encrypted;
mod healed;
mod left_alone;
mod programs;
mod replayed;
