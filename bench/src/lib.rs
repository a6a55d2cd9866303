//! Nothing: the benchmarks are in `benches/`, one file per question, and a package must have a library to hold them.
