//! What the rule strategies' parameters have in common: lengths, the warm-up they need, and why a set of parameters is refused.

use thiserror::Error;

use crate::engine::indicators::length::Length;

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

/// The length in `key`.
pub(super) fn length(key: &'static str, bars: u32) -> Result<Length, StrategyError> {
    Length::new(bars).ok_or(StrategyError::Length { key, bars })
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
    fn the_seed_has_faded_when_the_warm_up_ends() {
        for m in [1, 2, 14, 50, 200, 10_000] {
            let updates = warm_up(m) - 1 - m;
            let weight = ((f64::from(m) - 1.0) / (f64::from(m) + 1.0)).powi(updates as i32);
            assert!(weight < 0.0025, "{m}: {weight}");
        }
    }
}
