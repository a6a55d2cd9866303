//! What a server does to make a kill hit it in the middle of something, and how it misbehaves when told to.

use std::time::Duration;

use super::Options;
use crate::drill::Sabotage;

/// One answer in this many comes in two halves; one operation in this many takes its time.
const ODDS: u32 = 24;

/// Under sabotage, one number in this many is treated badly: always the same ones, so that asking again does not help.
const VICTIMS: u64 = 61;

/// The random part of one server thread.
#[derive(Debug)]
pub(crate) struct Mischief {
    /// `None` never dawdles.
    random: Option<fastrand::Rng>,
    sabotage: Option<Sabotage>,
}

impl Mischief {
    /// Different for each incarnation and each `thread`, the same for the same seed.
    pub(crate) fn new(options: &Options, thread: u64) -> Self {
        let seed = crate::record::mix(options.seed ^ options.incarnation << 20 ^ thread);
        Self { random: Some(fastrand::Rng::with_seed(seed)), sabotage: options.sabotage }
    }

    /// Where to cut an answer of `length` bytes in two, and how long to wait between the halves.
    pub(crate) fn cut(&mut self, length: usize) -> Option<(usize, Duration)> {
        let pause = self.pause()?;
        Some((self.random.as_mut()?.usize(1..length), pause))
    }

    /// How long to dawdle over an operation.
    pub(crate) fn pause(&mut self) -> Option<Duration> {
        let random = self.random.as_mut()?;
        (random.u32(0..ODDS) == 0).then(|| Duration::from_micros(random.u64(100..2000)))
    }

    /// How the operation of this number is sabotaged.
    pub(crate) fn sabotages(&self, number: u64) -> Option<Sabotage> {
        self.sabotage.filter(|_| number % VICTIMS == VICTIMS / 2)
    }

    /// None at all.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { random: None, sabotage: None }
    }
}
