//! Which request meets which fault: a pure function of a seed and the number of the request.

use std::{collections::BTreeMap, time::Duration};

use crate::{domain::time::UtcMs, exchange::synthetic::draw};

/// What can happen to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The answer takes its time.
    Latency,
    /// There is never an answer.
    Timeout,
    /// The connection is reset.
    Reset,
    /// Asked too often; every other time it says for how long to wait.
    Throttle,
    /// Shut out for two minutes.
    Ban,
    /// The venue is broken or overloaded.
    ServerError,
    /// A page for people, with status 200.
    Html,
    /// The body ends before its announced length.
    Truncate,
    /// A row comes twice.
    Duplicate,
    /// Two rows have changed places.
    Reorder,
    /// The `Date` header is wrong.
    WrongDate,
}

impl Fault {
    /// How it is called in manifests and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Throttle => "throttle",
            Self::Ban => "ban",
            Self::ServerError => "server-error",
            Self::Html => "html",
            Self::Truncate => "truncate",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::WrongDate => "wrong-date",
        }
    }
}

/// The plan of the faults of requests. At most one meets a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Chooses the requests.
    pub seed: u64,
    /// The share of requests that meet each fault, from 0 to 1; together at most 1.
    pub rates: BTreeMap<Fault, f64>,
    /// The longest an answer takes, in real time.
    pub latency_max: Duration,
    /// The pause that a throttled request gets, in seconds of the venue's time.
    pub retry_after_s: u32,
    /// How far ahead a wrong date is, in milliseconds.
    pub date_skew_ms: i64,
    /// No fault after this many requests.
    pub calm_after: Option<u64>,
    /// No fault from then on, in the venue's time.
    pub calm_at: Option<UtcMs>,
}

impl Faults {
    /// What the request with this number, counted from 0, meets.
    pub fn of(&self, number: u64, now: UtcMs) -> Option<Fault> {
        let is_calm = self.calm_after.is_some_and(|after| number >= after)
            || self.calm_at.is_some_and(|at| now >= at);
        if is_calm {
            return None;
        }
        let mut left = draw(self.seed, 300, number as i64);
        let hit = self.rates.iter().find(|(_, rate)| {
            left -= **rate;
            left < 0.0
        });
        hit.map(|(fault, _)| *fault)
    }

    /// A number that chooses among the forms of a fault.
    pub fn pick(&self, number: u64) -> usize {
        (draw(self.seed, 301, number as i64) * f64::from(1 << 30)) as usize
    }

    /// How long a slow answer takes.
    pub fn latency(&self, number: u64) -> Duration {
        self.latency_max.mul_f64(draw(self.seed, 302, number as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Faults {
        let rates = BTreeMap::from([(Fault::Reset, 0.1), (Fault::Html, 0.2)]);
        Faults { seed, rates, ..Faults::default() }
    }

    fn story(plan: &Faults) -> Vec<Option<Fault>> {
        (0..10_000).map(|number| plan.of(number, UtcMs::EPOCH)).collect()
    }

    #[test]
    fn the_same_seed_tells_the_same_story_and_rates_are_kept() {
        let once = story(&plan(5));
        assert_eq!(once, story(&plan(5)));
        assert_ne!(once, story(&plan(6)));
        for (fault, expected) in [(Some(Fault::Reset), 1_000), (Some(Fault::Html), 2_000)] {
            let found = once.iter().filter(|met| **met == fault).count();
            assert!(found.abs_diff(expected) < 150, "{fault:?} {found}");
        }
        let always = BTreeMap::from([(Fault::Ban, 1.0)]);
        let always = Faults { rates: always, ..plan(5) };
        assert!(story(&always).iter().all(|met| *met == Some(Fault::Ban)));
    }

    #[test]
    fn it_becomes_calm_after_so_many_requests_or_at_a_time() {
        let always = BTreeMap::from([(Fault::Ban, 1.0)]);
        let noon = UtcMs::new(1_704_110_400_000).unwrap();
        let after = Faults { rates: always.clone(), calm_after: Some(3), ..plan(5) };
        let met: Vec<bool> = (0..5).map(|number| after.of(number, noon).is_some()).collect();
        assert_eq!(met, [true, true, true, false, false]);
        let until = Faults { rates: always, calm_at: Some(noon), ..plan(5) };
        assert!(until.of(0, noon.plus_ms(-1)).is_some() && until.of(0, noon).is_none());
    }
}
