//! Models small enough for loom, one file per structure. Each one's name tells its story.

mod directory;
mod engine;
mod fork;
mod gate;
mod slot;

/// A few threads and what must hold in every interleaving of theirs.
pub(crate) struct Model {
    /// What it is about: part of the path of core's files that it checks.
    pub(crate) structure: &'static str,
    pub(crate) story: &'static str,
    /// How often a thread may be interrupted that could have gone on. Two find nearly every bug there is.
    pub(crate) preemptions: usize,
    pub(crate) body: fn(),
}

impl Model {
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.structure, self.story)
    }
}

pub(crate) fn all() -> impl Iterator<Item = &'static Model> {
    [directory::MODELS, slot::MODELS, gate::MODELS, engine::MODELS, fork::MODELS].into_iter().flatten()
}

/// Lists functions as models: their names are the stories.
macro_rules! models {
    ($structure:literal: $($story:ident within $preemptions:literal),* $(,)?) => {
        pub(super) const MODELS: &[super::Model] = &[$(super::Model {
            structure: $structure,
            story: stringify!($story),
            preemptions: $preemptions,
            body: $story,
        }),*];
    };
}
use models;
