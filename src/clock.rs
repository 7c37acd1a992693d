//! The only file that reads a clock. The real one, and a virtual one that replays run on.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use crate::domain::time::UtcMs;

/// Longest real sleep between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// Where a loop gets its time from.
pub trait Clock {
    /// Now.
    fn now(&self) -> UtcMs;

    /// Sleeps until `at`, or until `stopped` says so.
    fn sleep_until(&self, at: UtcMs, stopped: &dyn Fn() -> bool);
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn now(&self) -> UtcMs {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        UtcMs::EPOCH.plus_ms(since.as_millis().try_into().unwrap_or(i64::MAX))
    }

    /// A clock that is set back meanwhile does not make it longer.
    fn sleep_until(&self, at: UtcMs, stopped: &dyn Fn() -> bool) {
        let (watch, whole_ms) = (Stopwatch::start(), at.get() - self.now().get());
        loop {
            let left_ms = left_ms(at.get() - self.now().get(), whole_ms, watch.elapsed());
            if left_ms <= 0 || stopped() {
                return;
            }
            nap(Duration::from_millis(left_ms.unsigned_abs()).min(NAP));
        }
    }
}

/// What is left of a sleep of `whole_ms`: what the clock says, but no more than what has not passed yet.
fn left_ms(by_clock_ms: i64, whole_ms: i64, passed: Duration) -> i64 {
    let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
    by_clock_ms.min(whole_ms.saturating_sub(passed_ms))
}

/// A clock that starts at a given instant and runs faster or slower than the real one: for drills against a simulated venue.
#[derive(Debug, Clone, Copy)]
pub struct ScaledClock {
    start: UtcMs,
    factor: f64,
    watch: Stopwatch,
}

impl ScaledClock {
    /// It is `start` now, and `factor` seconds pass in each real one.
    pub fn new(start: UtcMs, factor: f64) -> Self {
        Self { start, factor, watch: Stopwatch::start() }
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> UtcMs {
        let passed_ms = self.watch.elapsed().as_secs_f64() * 1000.0 * self.factor;
        self.start.plus_ms(passed_ms as i64)
    }

    fn sleep_until(&self, at: UtcMs, stopped: &dyn Fn() -> bool) {
        loop {
            let left = at.get() - self.now().get();
            if left <= 0 || stopped() {
                return;
            }
            let left = left.unsigned_abs() as f64 / 1000.0 / self.factor;
            nap(Duration::from_secs_f64(left).min(NAP));
        }
    }
}

/// How fast virtual time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// Sleeping takes no time.
    Max,
    /// This many virtual seconds in one real second.
    Times(f64),
}

/// A clock that only moves when someone sleeps.
#[derive(Debug)]
pub struct VirtualClock {
    now_ms: AtomicI64,
    speed: Speed,
}

impl VirtualClock {
    /// Starts at `start`.
    pub fn new(start: UtcMs, speed: Speed) -> Self {
        Self { now_ms: AtomicI64::new(start.get()), speed }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> UtcMs {
        UtcMs::EPOCH.plus_ms(self.now_ms.load(Ordering::Relaxed))
    }

    fn sleep_until(&self, at: UtcMs, stopped: &dyn Fn() -> bool) {
        let left_ms = at.get() - self.now().get();
        if left_ms <= 0 {
            return;
        }
        if let Speed::Times(factor) = self.speed {
            let mut left = Duration::from_secs_f64(left_ms as f64 / 1000.0 / factor.max(0.001));
            while !left.is_zero() && !stopped() {
                let part = left.min(NAP);
                nap(part);
                left -= part;
            }
        }
        if !stopped() {
            self.now_ms.store(at.get(), Ordering::Relaxed);
        }
    }
}

/// Measures how long something takes, in real time.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The same, for those who hand it on as a time of their own.
    pub fn passed(self) -> Duration {
        self.elapsed()
    }
}

/// A moment in the future, in real time, which no change of the clock moves.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    watch: Stopwatch,
    after: Option<Duration>,
}

impl Deadline {
    /// So far from now; `None` is never.
    pub fn after(after: Option<Duration>) -> Self {
        Self { watch: Stopwatch::start(), after }
    }

    /// What is left until then; nothing once it has passed, `Duration::MAX` when it never comes.
    pub fn left(&self) -> Duration {
        self.after.map_or(Duration::MAX, |after| after.saturating_sub(self.watch.elapsed()))
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

/// Sleeps for real.
#[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
pub fn nap(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_a_sleep_and_one_set_ahead_ends_it() {
        let second = Duration::from_secs(1);
        assert_eq!(left_ms(2_000, 3_000, second), 2_000);
        assert_eq!(left_ms(7_202_000, 3_000, second), 2_000, "set back by two hours");
        assert_eq!(left_ms(-5_000, 3_000, second), -5_000, "set ahead");
    }

    #[test]
    fn a_scaled_clock_never_wakes_early() {
        let start = UtcMs::new(1_700_000_000_000).unwrap();
        let clock = ScaledClock::new(start, 60_000.0);
        let at = start.plus_ms(600_000);
        clock.sleep_until(at, &|| false);
        assert!(clock.now() >= at);
        clock.sleep_until(at.plus_ms(i64::from(u32::MAX)), &|| true);
    }

    #[test]
    fn virtual_time_moves_only_forward_and_only_by_sleeping() {
        let at = |ms| UtcMs::new(ms).unwrap();
        let clock = VirtualClock::new(at(1_000), Speed::Max);
        clock.sleep_until(at(500), &|| false);
        assert_eq!(clock.now(), at(1_000));
        clock.sleep_until(at(9_000_000), &|| false);
        assert_eq!(clock.now(), at(9_000_000));
        clock.sleep_until(at(9_100_000), &|| true);
        assert_eq!(clock.now(), at(9_000_000), "a stopped sleep does not arrive");
    }
}
