//! How often a venue may be asked, when to ask again after a failure, and when to leave it alone. Pure: the time is given, by a
//! clock that never jumps.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::venue::{answer::FaultClass, page_request::VenuePace};
use crate::domain::time::Steady;

/// The first pause after a failure that may pass by itself, milliseconds; it doubles with each further one.
const BACKOFF_MS: i64 = 500;
/// The same after having asked too often.
const THROTTLED_MS: i64 = 5_000;
/// Longest such pause, milliseconds.
const BACKOFF_MAX_MS: i64 = 30_000;
/// The pause after a ban that has no length of its own, milliseconds.
const BANNED_MS: i64 = 600_000;
/// Longest pause that is granted to a venue that shut us out, milliseconds; Binance does so for three days at most.
const BAN_MAX_MS: i64 = 3 * 86_400_000;
/// Longest pause that is granted to a venue that was asked too often, milliseconds: no venue counts requests over a longer time, and a
/// slip in `Retry-After` must not silence a loop for days.
const THROTTLED_MAX_MS: i64 = 900_000;
/// Longest pause that is granted for anything else, milliseconds: a page of a proxy must not silence a loop for a day.
const PAUSE_MAX_MS: i64 = 3_600_000;
/// Longest pause that is worth waiting for inside one question, milliseconds; for a longer one the question is given up.
const PATIENCE_MS: i64 = 60_000;

/// Whether a request may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// It may, and it was counted.
    Now,
    At(Steady),
    /// Not before the pause is over that the venue asked for.
    Shut {
        /// The end of the pause.
        until: Steady,
        /// What it was for.
        class: FaultClass,
    },
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask again then.
    Retry(Steady),
    /// Do not ask again.
    GiveUp,
}

/// The pace, the retries and the pauses of one venue.
#[derive(Debug, Clone)]
pub struct RateLimiter {
    pace: VenuePace,
    attempts_max: u32,
    seed: u64,
    drawn: u64,
    /// When the bucket is full again.
    full_at: Steady,
    shut: Option<(Steady, FaultClass)>,
}

impl RateLimiter {
    /// At most `attempts_max` requests for one question, with pauses drawn from `seed`.
    pub fn new(pace: VenuePace, attempts_max: u32, seed: u64) -> Self {
        Self { pace, attempts_max, seed, drawn: 0, full_at: Steady::default(), shut: None }
    }

    /// Asks for a request at `now`.
    pub fn admit(&mut self, now: Steady) -> Admit {
        if let Some((until, class)) = self.shut {
            if now < until {
                return Admit::Shut { until, class };
            }
            self.shut = None;
        }
        let refill_ms = i64::from(self.pace.refill_ms);
        let room_ms = refill_ms * i64::from(self.pace.burst.max(1));
        let full_at = self.full_at.max(now);
        let free_at = full_at.plus_ms(refill_ms - room_ms);
        if free_at > now {
            return Admit::At(free_at);
        }
        self.full_at = full_at.plus_ms(refill_ms);
        Admit::Now
    }

    /// Learns that attempt number `attempt` (from 1) failed; `pause_ms` is the pause the venue asked for.
    pub fn failed(
        &mut self,
        class: FaultClass,
        pause_ms: Option<i64>,
        attempt: u32,
        now: Steady,
    ) -> Next {
        let pause_ms = pause_ms.map(|ms| ms.min(Self::pause_max_ms(class)));
        let wait_ms = match class {
            FaultClass::Config => return Next::GiveUp,
            FaultClass::Refused => pause_ms.unwrap_or(0),
            FaultClass::Banned => pause_ms.unwrap_or(BANNED_MS),
            FaultClass::Throttled => {
                pause_ms.unwrap_or_else(|| self.backoff_ms(THROTTLED_MS, attempt))
            }
            FaultClass::Transient | FaultClass::Malformed => {
                pause_ms.unwrap_or_else(|| self.backoff_ms(BACKOFF_MS, attempt))
            }
        };
        let until = now.plus_ms(wait_ms);
        if matches!(class, FaultClass::Throttled | FaultClass::Banned) || pause_ms.is_some() {
            self.shut = Some((until, class));
        }
        // Asked again at once, it answers alike: the caller may ask later.
        let gives_up = matches!(class, FaultClass::Banned | FaultClass::Refused);
        let is_last = attempt >= self.attempts_max;
        if gives_up || is_last || wait_ms > PATIENCE_MS { Next::GiveUp } else { Next::Retry(until) }
    }

    /// The longest pause that is granted after such a failure, milliseconds.
    pub const fn pause_max_ms(class: FaultClass) -> i64 {
        match class {
            FaultClass::Banned => BAN_MAX_MS,
            FaultClass::Throttled => THROTTLED_MAX_MS,
            FaultClass::Config
            | FaultClass::Refused
            | FaultClass::Transient
            | FaultClass::Malformed => PAUSE_MAX_MS,
        }
    }

    /// What is left at `now` of the pause that is on, milliseconds.
    pub fn shut_ms(&self, now: Steady) -> Option<i64> {
        self.shut.map(|(until, _)| until.since(now)).filter(|left_ms| *left_ms > 0)
    }

    /// Half of the doubled pause for certain, the other half random (jitter).
    fn backoff_ms(&mut self, first_ms: i64, attempt: u32) -> i64 {
        let doubled = attempt.saturating_sub(1).min(16);
        let whole = (first_ms << doubled).min(BACKOFF_MAX_MS);
        let half = whole / 2;
        self.drawn += 1;
        let draw = xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed);
        half + (draw % (half.unsigned_abs() + 1)) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: VenuePace = VenuePace { burst: 3, refill_ms: 100 };

    fn at(ms: i64) -> Steady {
        Steady::new(1_000_000 + ms)
    }

    fn limiter() -> RateLimiter {
        RateLimiter::new(PACE, 4, 7)
    }

    /// When each of `n` requests goes out that are all wanted at once.
    fn sent(limiter: &mut RateLimiter, n: usize, start: i64) -> Vec<i64> {
        let mut now = at(start);
        let mut times = Vec::new();
        while times.len() < n {
            match limiter.admit(now) {
                Admit::Now => times.push(now.since(at(0))),
                Admit::At(then) => {
                    assert!(then > now);
                    now = then;
                }
                Admit::Shut { .. } => panic!("nothing failed"),
            }
        }
        times
    }

    #[test]
    fn a_burst_then_one_after_each_pause_and_the_bucket_fills_again() {
        let mut limiter = limiter();
        assert_eq!(sent(&mut limiter, 6, 0), [0, 0, 0, 100, 200, 300]);
        assert_eq!(sent(&mut limiter, 2, 350), [400, 500], "no more than the pace");
        assert_eq!(sent(&mut limiter, 4, 10_000), [10_000, 10_000, 10_000, 10_100]);
    }

    #[test]
    fn pauses_double_within_bounds_and_are_the_same_for_the_same_seed() {
        let sleeper = |seed: u64| {
            let mut limiter = RateLimiter::new(PACE, 99, seed);
            (1..=12)
                .map(|n| match limiter.failed(FaultClass::Transient, None, n, at(0)) {
                    Next::Retry(then) => then.since(at(0)),
                    Next::GiveUp => panic!("attempt {n}"),
                })
                .collect::<Vec<i64>>()
        };
        for (n, wait) in sleeper(7).iter().enumerate() {
            let whole = (BACKOFF_MS << n.min(16)).min(BACKOFF_MAX_MS);
            assert!((whole / 2..=whole).contains(wait), "attempt {}: {wait}", n + 1);
        }
        assert_eq!(sleeper(7), sleeper(7));
        assert_ne!(sleeper(7), sleeper(8));
    }

    #[test]
    fn attempts_are_bounded_and_a_wrong_question_is_asked_once() {
        let mut limiter = limiter();
        for class in [FaultClass::Transient, FaultClass::Malformed, FaultClass::Throttled] {
            assert!(matches!(limiter.failed(class, None, 3, at(0)), Next::Retry(_)), "{class:?}");
            assert_eq!(limiter.failed(class, None, 4, at(0)), Next::GiveUp, "{class:?}");
        }
        assert_eq!(limiter.failed(FaultClass::Config, Some(1), 1, at(0)), Next::GiveUp);
        let mut limiter = self::limiter();
        assert_eq!(limiter.failed(FaultClass::Refused, None, 1, at(0)), Next::GiveUp);
        assert_eq!(limiter.admit(at(0)), Admit::Now, "the next question may follow at once");
    }

    #[test]
    fn no_pause_is_endless_whatever_a_page_in_between_asks_for() {
        let year_ms = 31_536_000_000;
        for (class, most_ms) in [
            (FaultClass::Refused, PAUSE_MAX_MS),
            (FaultClass::Transient, PAUSE_MAX_MS),
            (FaultClass::Malformed, PAUSE_MAX_MS),
            (FaultClass::Throttled, 900_000),
            (FaultClass::Banned, 259_200_000),
        ] {
            let mut limiter = limiter();
            assert_eq!(limiter.failed(class, Some(year_ms), 1, at(0)), Next::GiveUp);
            assert_eq!(limiter.shut_ms(at(0)), Some(most_ms), "{class:?}");
        }
    }

    #[test]
    fn a_pause_the_venue_asked_for_is_kept_to_the_millisecond() {
        for class in [FaultClass::Throttled, FaultClass::Transient, FaultClass::Malformed] {
            let mut limiter = limiter();
            assert_eq!(limiter.failed(class, Some(7_000), 1, at(0)), Next::Retry(at(7_000)));
            assert_eq!(limiter.admit(at(6_999)), Admit::Shut { until: at(7_000), class });
            assert_eq!(limiter.shut_ms(at(6_999)), Some(1));
            assert_eq!(limiter.admit(at(7_000)), Admit::Now);
            assert_eq!(limiter.shut_ms(at(7_000)), None);
        }
        // One that is too long to wait for ends the question, and is kept all the same.
        let mut limiter = limiter();
        assert_eq!(limiter.failed(FaultClass::Throttled, Some(61_000), 1, at(0)), Next::GiveUp);
        assert!(matches!(limiter.admit(at(60_999)), Admit::Shut { .. }));
    }

    #[test]
    fn a_ban_opens_the_breaker_for_as_long_as_the_venue_says_or_ten_minutes() {
        for (pause_ms, until_ms) in [(None, 600_000), (Some(7_200_000), 7_200_000)] {
            let mut limiter = limiter();
            assert_eq!(limiter.failed(FaultClass::Banned, pause_ms, 1, at(0)), Next::GiveUp);
            let shut = Admit::Shut { until: at(until_ms), class: FaultClass::Banned };
            assert_eq!(limiter.admit(at(until_ms - 1)), shut);
            assert_eq!(limiter.admit(at(until_ms)), Admit::Now);
        }
    }
}
