//! Where the close is in the range of the last bars: the stochastic and Williams' %R.

use super::{
    extreme::{RollingHigh, RollingLow},
    length::Length,
    sma::Sma,
};
use crate::domain::bar::Bar;

/// The highest high and the lowest low of the last `n` bars.
#[derive(Debug, Clone)]
struct Range {
    high: RollingHigh,
    low: RollingLow,
}

impl Range {
    fn new(n: Length) -> Self {
        Self { high: RollingHigh::new(n), low: RollingLow::new(n) }
    }

    /// The share of the range below the close, 0 to 1; one half of an empty range.
    #[inline]
    fn update(&mut self, bar: &Bar) -> f64 {
        let (high, low) = (self.high.update(bar.high()), self.low.update(bar.low()));
        if high == low { 0.5 } else { (bar.close() - low) / (high - low) }
    }
}

/// The stochastic %K, 0 to 100, as in TA-Lib (`ta_STOCH.c`, simple averages): the mean of the last `smooth` places of the close
/// in the range of `n` bars.
///
/// One difference: the place in an empty range is 50, not 0, which would read as "heavily sold".
#[derive(Debug, Clone)]
pub struct StochK {
    range: Range,
    smooth: Sma,
}

impl StochK {
    /// Over `n` bars; `smooth` = 1 is the fast stochastic.
    pub fn new(n: Length, smooth: Length) -> Self {
        Self { range: Range::new(n), smooth: Sma::new(smooth) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.smooth.update(100.0 * self.range.update(bar))
    }
}

/// The stochastic %D, 0 to 100: the mean of the last `d` values of [`StochK`].
#[derive(Debug, Clone)]
pub struct StochD {
    k: StochK,
    smooth: Sma,
}

impl StochD {
    /// The mean of `d` values of [`StochK::new`].
    pub fn new(n: Length, smooth: Length, d: Length) -> Self {
        Self { k: StochK::new(n, smooth), smooth: Sma::new(d) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.smooth.update(self.k.update(bar))
    }
}

/// Williams' %R, -100 (close at the low of `n` bars) to 0 (at the high), as in TA-Lib (`ta_WILLR.c`).
///
/// One difference: an empty range is -50, not 0.
#[derive(Debug, Clone)]
pub struct WillR {
    range: Range,
}

impl WillR {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { range: Range::new(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        100.0 * self.range.update(bar) - 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, length, outputs};

    #[test]
    fn an_empty_range_has_its_close_in_the_middle() {
        let bar = Bar::new([0.1, 0.1, 0.1, 0.1, 1.0]).unwrap();
        let mut k = StochK::new(length(3), length(2));
        let mut d = StochD::new(length(3), length(2), length(2));
        let mut r = WillR::new(length(3));
        let got = outputs((0..20).map(|_| k.update(&bar)), 4);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
        let got = outputs((0..20).map(|_| d.update(&bar)), 5);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
        let got = outputs((0..20).map(|_| r.update(&bar)), 3);
        assert!(got.iter().all(|x| *x == -50.0), "{got:?}");
    }

    #[test]
    fn all_stay_on_their_scale() {
        let mut k = StochK::new(length(1), length(1));
        let mut r = WillR::new(length(1));
        for bar in bars() {
            let (k, r) = (k.update(&bar), r.update(&bar));
            assert!((0.0..=100.0).contains(&k) && (-100.0..=0.0).contains(&r), "{k} {r}");
        }
    }
}
