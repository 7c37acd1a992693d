//! Keltner's channel.

use super::{super::values::Price, atr::Atr, ema::Ema, length::Length};
use crate::domain::bar::Bar;

/// The middle of the channel, as in TA-Lib (`ta_KC.c`): the EMA of `n` typical prices (`hlc3`). Like the ATR it begins with the second
/// bar, the first one that has a true range.
#[derive(Debug, Clone)]
pub struct KcMid {
    average: Ema,
    has_begun: bool,
}

impl KcMid {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { average: Ema::new(n), has_begun: false }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        if !std::mem::replace(&mut self.has_begun, true) {
            return f64::NAN;
        }
        self.average.update(Price::Hlc3.of(bar))
    }
}

/// The upper end of the channel, as in TA-Lib with one length for both averages: the middle plus `k` ATRs of `n`.
#[derive(Debug, Clone)]
pub struct KcUpper {
    middle: KcMid,
    atr: Atr,
    k: f64,
}

impl KcUpper {
    /// Over `n` bars, `k` ATRs above the middle.
    pub fn new(n: Length, k: f64) -> Self {
        Self { middle: KcMid::new(n), atr: Atr::new(n), k }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.middle.update(bar) + self.k * self.atr.update(bar)
    }
}

/// The lower end of the channel, as in TA-Lib with one length for both averages: the middle minus `k` ATRs of `n`.
#[derive(Debug, Clone)]
pub struct KcLower {
    middle: KcMid,
    atr: Atr,
    k: f64,
}

impl KcLower {
    /// Over `n` bars, `k` ATRs below the middle.
    pub fn new(n: Length, k: f64) -> Self {
        Self { middle: KcMid::new(n), atr: Atr::new(n), k }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.middle.update(bar) - self.k * self.atr.update(bar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, length};

    #[test]
    fn the_channel_is_as_wide_as_the_range() {
        let n = length(4);
        let (mut upper, mut middle, mut lower) =
            (KcUpper::new(n, 1.5), KcMid::new(n), KcLower::new(n, 1.5));
        let mut atr = Atr::new(n);
        for (i, bar) in bars().enumerate() {
            let (upper, lower) = (upper.update(&bar), lower.update(&bar));
            let (middle, atr) = (middle.update(&bar), atr.update(&bar));
            assert_eq!([middle, upper, lower].map(f64::is_nan), [i < 4; 3]);
            if i >= 4 {
                assert!((upper - lower - 3.0 * atr).abs() < 1e-12, "{upper} {lower} {atr}");
                assert!((0.5 * (upper + lower) - middle).abs() < 1e-12, "{upper} {lower} {middle}");
            }
        }
    }
}
