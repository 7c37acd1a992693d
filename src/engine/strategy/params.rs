//! What the rule strategies' parameters have in common: allowed sides, ATR multiples, and why a set of parameters is refused.

use thiserror::Error;

use super::contract::Protection;
use crate::{domain::decision::Side, engine::indicators::length::Length};

/// Why parameters are refused. The key is the parameter's name in the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum StrategyError {
    /// A length outside 1 to [`Length::MAX`].
    #[error("`{key}` is {bars} bars; it must be between 1 and {}", Length::MAX)]
    Length {
        /// Which one.
        key: &'static str,
        /// What was asked for.
        bars: u32,
    },
    /// The averages cannot cross in a meaningful way.
    #[error("`fast` ({fast}) must be shorter than `slow` ({slow})")]
    FastNotShorter {
        /// Bars of the fast average.
        fast: u32,
        /// Bars of the slow average.
        slow: u32,
    },
    /// An ATR multiple that is no positive, finite number.
    #[error("`{key}` is {multiple}; it must be a positive number of ATRs")]
    Multiple {
        /// Which one.
        key: &'static str,
        /// What was asked for.
        multiple: f64,
    },
    /// Scores out of order.
    #[error("the scores must be ordered -`enter` < `exit` ({exit}) <= `enter` ({enter})")]
    Scores {
        /// The score from which a long position is entered.
        enter: i64,
        /// The score below which it is left.
        exit: i64,
    },
    /// RSI levels out of order.
    #[error(
        "the levels must be ordered 0 < oversold ({oversold}) < exit ({exit}) and its mirror image \
         < overbought ({overbought}) < 100"
    )]
    Levels {
        /// Lower entry level.
        oversold: f64,
        /// Exit level of a long position; 100 minus it is that of a short one.
        exit: f64,
        /// Upper entry level.
        overbought: f64,
    },
}

/// Which positions a strategy may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sides {
    /// Long and short.
    #[default]
    Both,
    /// Long only.
    Long,
    /// Short only.
    Short,
}

impl Sides {
    /// Whether `side` is among them.
    pub const fn allow(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Both, _) | (Self::Long, Side::Long) | (Self::Short, Side::Short)
        )
    }
}

/// The length in `key`.
pub(super) fn length(key: &'static str, bars: u32) -> Result<Length, StrategyError> {
    Length::new(bars).ok_or(StrategyError::Length { key, bars })
}

/// Checked distances of stop, target and trailing stop, in ATRs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AtrMultiples {
    stop: f64,
    target: Option<f64>,
    trail: Option<f64>,
}

impl AtrMultiples {
    /// Every multiple must be positive and finite.
    pub(super) fn new(
        stop: f64,
        target: Option<f64>,
        trail: Option<f64>,
    ) -> Result<Self, StrategyError> {
        let given =
            [("stop_atr", Some(stop)), ("target_atr", target), ("trail_atr", trail)].into_iter();
        for (key, multiple) in given.filter_map(|(key, multiple)| Some((key, multiple?))) {
            if !(multiple.is_finite() && multiple > 0.0) {
                return Err(StrategyError::Multiple { key, multiple });
            }
        }
        Ok(Self { stop, target, trail })
    }

    /// The distances at this ATR (quote currency); `None` without any range, where no stop can be placed.
    pub(super) fn protection(self, atr: f64) -> Option<Protection> {
        let distance = |multiple: f64| multiple * atr;
        let stop = distance(self.stop);
        (stop > 0.0).then(|| Protection {
            stop: Some(stop),
            target: self.target.map(distance),
            trail: self.trail.map(distance),
        })
    }
}

/// Warm-up of recursive averages whose slowest is as slow as an EMA of `ema_length` (a Wilder average of n counts as 2 n - 1):
/// `4 ema_length + 1` bars.
///
/// The seed fills the first `ema_length` bars and then fades by `(m - 1) / (m + 1)` per bar, so after `3 m` more its weight is
/// below e^-6, a quarter of a percent. The last bar is for the value before.
pub(in crate::engine) const fn warm_up(ema_length: u32) -> u32 {
    4 * ema_length + 1
}

/// The EMA that is as slow as a Wilder average of `n`.
pub(in crate::engine) const fn wilder_as_ema(n: Length) -> u32 {
    2 * n.get() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_allow_what_they_say() {
        for (sides, long, short) in
            [(Sides::Both, true, true), (Sides::Long, true, false), (Sides::Short, false, true)]
        {
            assert_eq!((sides.allow(Side::Long), sides.allow(Side::Short)), (long, short));
        }
    }

    #[test]
    fn every_multiple_must_be_positive_and_finite() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            for (key, result) in [
                ("stop_atr", AtrMultiples::new(bad, None, None)),
                ("target_atr", AtrMultiples::new(1.0, Some(bad), None)),
                ("trail_atr", AtrMultiples::new(1.0, None, Some(bad))),
            ] {
                assert!(result.unwrap_err().to_string().contains(key), "{key} {bad}");
            }
        }
    }

    #[test]
    fn distances_are_multiples_of_the_atr() {
        let multiples = AtrMultiples::new(2.0, Some(3.0), Some(1.5)).unwrap();
        let expected = Protection { stop: Some(8.0), target: Some(12.0), trail: Some(6.0) };
        assert_eq!(multiples.protection(4.0), Some(expected));
        for no_range in [0.0, f64::NAN] {
            assert_eq!(multiples.protection(no_range), None);
        }
        let bare = AtrMultiples::new(2.0, None, None).unwrap();
        let expected = Protection { stop: Some(8.0), target: None, trail: None };
        assert_eq!(bare.protection(4.0), Some(expected));
    }

    #[test]
    fn the_seed_has_faded_when_the_warm_up_ends() {
        for m in [1, 2, 14, 50, 200, 10_000] {
            let updates = warm_up(m) - 1 - m;
            let weight = ((f64::from(m) - 1.0) / (f64::from(m) + 1.0)).powi(updates as i32);
            assert!(weight < 0.0025, "{m}: {weight}");
        }
    }
}
