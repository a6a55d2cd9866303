//! The engine seen from outside: situations, not functions.

mod bad_input;
mod files;
mod fork;
mod given_up;
mod members;
mod records;
mod signals;
mod single_flight;
mod told;
mod torture;
