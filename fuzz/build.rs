//! Lets what a target opens at run time find the fuzzer's functions in it: libha.so counts its own coverage.

fn main() {
    println!("cargo::rustc-link-arg-bins=-rdynamic");
}
