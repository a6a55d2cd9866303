//! What is run: small models, in every order that there is, or one large one, in orders drawn by lot.

#[cfg(feature = "random")]
pub(crate) mod churn;
#[cfg_attr(feature = "random", allow(dead_code))]
mod peer;
#[cfg(not(feature = "random"))]
mod small;

#[cfg(not(feature = "random"))]
pub(crate) use small::{Model, all};
