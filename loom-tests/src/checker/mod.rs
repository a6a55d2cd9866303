//! Who decides which thread goes on, and what a load returns: loom, who tries everything, for models of two or three
//! threads; shuttle, who draws lots, for what is too large for that.

#[cfg(not(feature = "random"))]
mod exhaustive;
#[cfg(feature = "random")]
mod random;

#[cfg(not(feature = "random"))]
pub(crate) use exhaustive::*;
#[cfg(feature = "random")]
pub(crate) use random::*;
