//! Progress bars while a drill runs.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::killer::Limits;
use super::options::Transport;
use super::scene::Scene;

/// One line per transport: its name, how far it is, and what has happened so far.
const STYLE: &str = "{prefix:5} [{bar:30}] {msg}";

/// All bars of a drill. Nothing is drawn when standard error is no terminal.
#[derive(Debug)]
pub(crate) struct Bars {
    bars: MultiProgress,
}

/// The bar of one transport.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    share: Option<Duration>,
}

impl Bars {
    /// Draws on standard error, or nowhere.
    pub(crate) fn new(hidden: bool) -> Self {
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target) }
    }

    /// Takes all bars away, so that the report can be printed.
    pub(crate) fn clear(&self) {
        // A terminal that does not want to be cleared shows both.
        let _ = self.bars.clear();
    }

    /// A bar that is full after `share`, or after the kills that `limits` allow.
    pub(crate) fn begin(&self, transport: Transport, share: Option<Duration>, limits: Limits) -> Progress {
        let length = share.map_or_else(|| limits.kills.unwrap_or(1), |share| share.as_millis() as u64);
        let bar = self.bars.add(ProgressBar::new(length));
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(transport.name());
        Progress { bar, share }
    }
}

impl Progress {
    /// Shows how far the drill has come.
    pub(crate) fn show(&self, scene: &Scene) {
        let done = self.share.map_or_else(|| scene.deaths(), |_| self.bar.elapsed().as_millis() as u64);
        self.bar.set_position(done.min(self.bar.length().unwrap_or(done)));
        self.bar.set_message(summary(scene));
    }

    /// Leaves the bar as it is, with a last word.
    pub(crate) fn end(&self, scene: &Scene) {
        self.bar.finish_with_message(summary(scene));
    }

    /// Says why there is nothing to show.
    pub(crate) fn skip(&self, reason: &str) {
        self.bar.abandon_with_message(format!("skipped: {reason}"));
    }

    /// Says what went wrong.
    pub(crate) fn fail(&self, reason: &str) {
        self.bar.abandon_with_message(format!("failed: {reason}"));
    }
}

fn summary(scene: &Scene) -> String {
    let recoveries: u64 = scene.episodes().iter().map(|episodes| episodes.counts().1).sum();
    format!("{} kills, {recoveries} recoveries, {} calls", scene.deaths(), scene.calls())
}
