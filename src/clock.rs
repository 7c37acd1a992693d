//! The only file that reads a clock. The real one, and a virtual one that replays run on.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use crate::{
    domain::time::{Steady, UtcMs},
    manifest::Speed,
};

/// Longest real sleep between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// The kernel tells its uptime in steps of so many milliseconds.
const GRAIN_MS: i64 = 10;

/// Where a loop gets its time from.
pub trait Clock {
    /// The time of day, which can be wrong and can be set.
    fn now(&self) -> UtcMs;

    /// The time that nobody can set.
    fn steady(&self) -> Steady;

    /// Sleeps until the steady clock shows `until`, or until `stopped` says so.
    fn sleep_until(&self, until: Steady, stopped: &dyn Fn() -> bool);
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

    fn steady(&self) -> Steady {
        static NEWEST_MS: AtomicI64 = AtomicI64::new(0);
        let ms = uptime_ms().unwrap_or(0);
        Steady::new(NEWEST_MS.fetch_max(ms, Ordering::Relaxed).max(ms))
    }

    /// No shorter than asked for: the clock shows whole hundredths of a second.
    fn sleep_until(&self, until: Steady, stopped: &dyn Fn() -> bool) {
        loop {
            let left_ms = until.since(self.steady()) + GRAIN_MS;
            if left_ms <= 0 || stopped() {
                return;
            }
            nap(Duration::from_millis(left_ms.unsigned_abs()).min(NAP));
        }
    }
}

/// How long this machine is up, its sleep included, which [`Instant`] leaves out: after a night of sleep a loop must not go by
/// the evening. Where Linux does not say, `Instant` has to do. Never both in one process, since they differ.
fn uptime_ms() -> Option<i64> {
    static FIRST: LazyLock<Option<Stopwatch>> =
        LazyLock::new(|| kernel_uptime_ms().is_none().then(Stopwatch::start));
    match &*FIRST {
        Some(watch) => watch.elapsed().as_millis().try_into().ok(),
        None => kernel_uptime_ms(),
    }
}

/// The first number of `/proc/uptime`: seconds with two places.
fn kernel_uptime_ms() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some((seconds * 1000.0).round() as i64)
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

    fn steady(&self) -> Steady {
        Steady::new(self.now().get())
    }

    fn sleep_until(&self, until: Steady, stopped: &dyn Fn() -> bool) {
        loop {
            let left_ms = until.since(self.steady());
            if left_ms <= 0 || stopped() {
                return;
            }
            let left = left_ms.unsigned_abs() as f64 / 1000.0 / self.factor;
            nap(Duration::from_secs_f64(left).min(NAP));
        }
    }
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

    fn steady(&self) -> Steady {
        Steady::new(self.now().get())
    }

    fn sleep_until(&self, until: Steady, stopped: &dyn Fn() -> bool) {
        let left_ms = until.since(self.steady());
        if left_ms <= 0 {
            return;
        }
        if let Speed::Times(factor) = self.speed {
            let mut left =
                Duration::from_secs_f64(left_ms as f64 / 1000.0 / f64::from(factor.get()));
            while !left.is_zero() && !stopped() {
                let part = left.min(NAP);
                nap(part);
                left -= part;
            }
        }
        if !stopped() {
            self.now_ms.fetch_add(left_ms, Ordering::Relaxed);
        }
    }
}

/// Measures how long something takes, in real time.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
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
    fn the_steady_clock_goes_forward_as_fast_as_time_passes() {
        let (watch, before) = (Stopwatch::start(), SystemClock.steady());
        SystemClock.sleep_until(before.plus_ms(120), &|| false);
        let passed_ms = SystemClock.steady().since(before);
        // The kernel tells it in steps of ten milliseconds.
        let real_ms = i64::try_from(watch.elapsed().as_millis()).unwrap();
        let most_ms = real_ms + 2 * GRAIN_MS;
        assert!((120..=most_ms).contains(&passed_ms), "{passed_ms} ms of {most_ms}");
        assert!(real_ms >= 120, "no shorter than asked for: {real_ms} ms");
        SystemClock.sleep_until(before.plus_ms(i64::MAX / 2), &|| true);
    }

    #[test]
    fn a_scaled_clock_never_wakes_early() {
        let start = UtcMs::new(1_700_000_000_000).unwrap();
        let clock = ScaledClock::new(start, 60_000.0);
        let until = clock.steady().plus_ms(600_000);
        clock.sleep_until(until, &|| false);
        assert!(clock.steady() >= until && clock.now() >= start.plus_ms(600_000));
        clock.sleep_until(until.plus_ms(i64::from(u32::MAX)), &|| true);
    }

    #[test]
    fn virtual_time_moves_only_forward_and_only_by_sleeping() {
        let at = |ms| UtcMs::new(ms).unwrap();
        let clock = VirtualClock::new(at(1_000), Speed::Max);
        let start = clock.steady();
        clock.sleep_until(start.plus_ms(-500), &|| false);
        assert_eq!(clock.now(), at(1_000));
        clock.sleep_until(start.plus_ms(8_999_000), &|| false);
        assert_eq!(clock.now(), at(9_000_000));
        clock.sleep_until(start.plus_ms(9_099_000), &|| true);
        assert_eq!(clock.now(), at(9_000_000), "a stopped sleep does not arrive");
    }
}
