//! How many bars before the first of its own a function looks back: what the warm-up is made of.
//!
//! Lags of arguments are added to that of the function; of two arguments the larger counts. The warm-up is 1 plus the largest lag.
//! A lag is never shorter than the function needs for its first value; an average that remembers everything gets the bars after
//! which its start weighs less than a 2,000th.
//!
//! | lag | functions |
//! |---|---|
//! | [`window`] | `sma wma vwma stdev bb_upper bb_mid bb_lower highest lowest zscore rank corr volume_z cci willr count bars_since value_when` |
//! | [`change`] | `x[n] roc mom log_return rising falling mfi volatility` |
//! | [`ema`] | `ema kc_mid` |
//! | [`wilder`] | `rma rsi atr natr kc_upper kc_lower supertrend plus_di minus_di` |
//! | [`adx`], [`hma`], [`stoch_k`], [`stoch_d`], [`macd`], [`macd_signal`] (also `macd_hist`) | as named |
//! | [`TRUE_RANGE`], [`CROSSES`] | `tr`, `crosses_above crosses_below` |
//! | [`day`] | `day_open day_high day_low day_vwap` |
//! | [`timeframe`] | `tf` |

use super::length::Length;

const DAY_MS: i64 = 86_400_000;

/// Of `tr`: the close before.
pub const TRUE_RANGE: u64 = 1;

/// Of `crosses_above` and `crosses_below`: both sides one bar ago.
pub const CROSSES: u64 = 1;

fn bars(n: Length) -> u64 {
    u64::from(n.get())
}

/// Of a window of `n` bars, the newest included: `n - 1`.
pub fn window(n: Length) -> u64 {
    bars(n) - 1
}

/// From `n` bars ago to now: `n`. Also a window of `n` changes from bar to bar.
pub fn change(n: Length) -> u64 {
    bars(n)
}

/// Of an EMA of `n`: `4 n - 1`. Its start then weighs about `exp(-8)`.
pub fn ema(n: Length) -> u64 {
    4 * bars(n) - 1
}

/// Of Wilder's average of `n`, which is as slow as an EMA of `2 n - 1`: `4 (2 n - 1) - 1`.
pub fn wilder(n: Length) -> u64 {
    4 * (2 * bars(n) - 1) - 1
}

/// Of the ADX, Wilder's average of what comes from Wilder's averages: two of them.
pub fn adx(n: Length) -> u64 {
    2 * wilder(n)
}

/// Of Hull's average: a window of `n`, and one of the root of `n`.
pub fn hma(n: Length) -> u64 {
    window(n) + u64::from(n.get().isqrt()) - 1
}

/// Of the stochastic %K: a window of `n`, and one of `smooth`.
pub fn stoch_k(n: Length, smooth: Length) -> u64 {
    window(n) + window(smooth)
}

/// Of the stochastic %D: a window of `d` more.
pub fn stoch_d(n: Length, smooth: Length, d: Length) -> u64 {
    stoch_k(n, smooth) + window(d)
}

/// Of the MACD: its slow average.
pub fn macd(slow: Length) -> u64 {
    ema(slow)
}

/// Of the MACD's signal and of its histogram: an EMA of `signal` more.
pub fn macd_signal(slow: Length, signal: Length) -> u64 {
    macd(slow) + ema(signal)
}

/// Of what the day has shown so far, on bars of `timeframe_ms`: one day of bars, less one; 0 if a bar is a day or more.
pub fn day(timeframe_ms: i64) -> u64 {
    (DAY_MS / timeframe_ms.max(1)).max(1).unsigned_abs() - 1
}

/// Of `tf`: an expression of this lag, on bars that are `ratio` bars of the series long.
pub fn timeframe(ratio: u64, lag: u64) -> u64 {
    (ratio * (lag + 1) + ratio).saturating_sub(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::length;

    #[test]
    fn the_two_built_in_strategies_need_what_they_always_needed() {
        // 201 bars for a cross of the averages of 20 and 50, 109 for a cross of the RSI of 14.
        assert_eq!(1 + CROSSES + ema(length(50)).max(ema(length(20))), 201);
        assert_eq!(1 + CROSSES + wilder(length(14)), 109);
    }

    #[test]
    fn a_day_of_bars_less_one() {
        let minute_ms = 60_000;
        for (minutes, bars) in [(1, 1439), (5, 287), (60, 23), (720, 1), (1440, 0), (10_080, 0)] {
            assert_eq!(day(minutes * minute_ms), bars, "{minutes}");
        }
    }

    #[test]
    fn a_longer_timeframe_needs_its_bars_and_one_that_is_not_whole() {
        // Its newest bar and the one being made, less the bar that closes it and the newest one.
        assert_eq!(timeframe(12, 0), 22);
        assert_eq!(timeframe(12, ema(length(20))), 12 * 80 + 10);
        // On bars of the same length nothing is added.
        assert_eq!(timeframe(1, 5), 5);
    }
}
