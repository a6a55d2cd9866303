//! From a fuzzer's bytes, or a property test's, to what a script is made of.

use arbitrary::{Arbitrary, Unstructured};

/// As many values as there are bytes for.
///
/// A `Vec` of arbitrary values asks a coin after each of them whether to go on: of random bytes hardly anything would be
/// used.
pub fn all<'a, T: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Vec<T>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(bytes.arbitrary()?);
    }
    Ok(values)
}
