//! libha: QNX's client recovery library for C programs, and covers of the C library's calls.
//!
//! ```text
//! the program ── write(number, ...) ──> covers ── not covered ──> original: libc's own
//!                                         │
//!                                         └── covered ──> ha-core: recover, issue again
//! the program ── printf(...) ──> libc ──> stdio: the slots of its jump tables ──> as above
//! the program ── ha_attach(...) ──> interface ──> ha-core
//! ```
//!
//! `start` is the constructor; `rules` are what `ha run` asks for. See `include/ha` for the documentation of the C side.
//!
//! glibc 2.34 or later on x86-64 and aarch64. `open`, `fcntl`, `ioctl` and their kin are variadic in C and defined here with
//! fixed parameters: integers and pointers travel the same way in the ABIs of these two.

#[cfg(not(all(target_env = "gnu", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("libha is for glibc on x86-64 and aarch64; on others use ha-core");

mod covers;
pub mod interface;
mod log;
mod original;
mod ready;
mod returned;
mod rules;
mod start;
mod stdio;
mod system_call;
