//! The killer: kills the server at seeded moments and starts it again.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::beat::{Beat, Step};
use super::progress::Progress;
use super::scene::Scene;
use super::server_process::{Server, StartError};

/// How long to sleep between two looks at the clock.
const GLANCE: Duration = Duration::from_millis(2);

/// The longest time for which the killer waits until the clients work again.
const MERCY: Duration = Duration::from_millis(500);

/// When to stop killing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Not later than this.
    pub(crate) until: Option<Instant>,
    /// Not more often than this.
    pub(crate) kills: Option<u64>,
}

/// How one kill is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blow {
    /// Whether the clients may get back to work first; otherwise the kill hits their recoveries.
    merciful: bool,
    /// How long the server may live after that.
    delay: Duration,
    /// How long it stays dead, beyond the time that a start takes.
    downtime: Duration,
}

impl Limits {
    fn reached(&self, scene: &Scene) -> bool {
        scene.is_aborted()
            || self.kills.is_some_and(|kills| scene.deaths() >= kills)
            || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// Kills and restarts until a limit is reached. Afterwards the server is alive.
pub(crate) fn kill_and_restart(
    scene: &Scene,
    server: &mut Server,
    limits: Limits,
    beat: &Beat,
    progress: &Progress,
) -> Result<(), StartError> {
    let mut random = Rng::with_seed(scene.seed);
    while !limits.reached(scene) {
        let blow = Blow::random(&mut random);
        if blow.merciful {
            wait(MERCY, &limits, scene, || scene.beats().iter().all(|beat| beat.has_worked()));
        }
        wait(blow.delay, &limits, scene, || false);
        if limits.reached(scene) {
            break;
        }
        if let Some(death) = server.died_by_itself() {
            scene.fault(death);
        }
        scene.announce_death();
        beat.during(Step::Kill, || server.kill());
        wait(blow.downtime, &limits, scene, || false);
        beat.during(Step::Start, || server.start())?;
        progress.show(scene);
        scene.beats().iter().for_each(|beat| beat.mark());
    }
    Ok(())
}

impl Blow {
    fn random(random: &mut Rng) -> Self {
        let millis = |random: &mut Rng, limit: u64| Duration::from_micros(random.u64(0..limit * 1000));
        let merciful = random.u32(0..4) != 0;
        Self {
            merciful,
            delay: if merciful { millis(random, 30) } else { millis(random, 5) },
            downtime: if random.u32(0..3) == 0 { millis(random, 10) } else { Duration::ZERO },
        }
    }
}

/// Waits until `enough` or a limit.
fn wait(longest: Duration, limits: &Limits, scene: &Scene, enough: impl Fn() -> bool) {
    let end = Instant::now() + longest;
    while !enough() && !limits.reached(scene) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(GLANCE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_strikes_the_same_way() {
        let blows = |seed| {
            let mut random = Rng::with_seed(seed);
            std::array::from_fn::<_, 20, _>(|_| Blow::random(&mut random))
        };
        assert_eq!(blows(1), blows(1));
        assert_ne!(blows(1), blows(2));
    }

    #[test]
    fn some_blows_hit_clients_that_are_still_recovering() {
        let mut random = Rng::with_seed(3);
        let blows = std::array::from_fn::<_, 100, _>(|_| Blow::random(&mut random));
        let merciless = blows.iter().filter(|blow| !blow.merciful).count();
        assert!((5..60).contains(&merciless), "{merciless} of 100");
    }
}
