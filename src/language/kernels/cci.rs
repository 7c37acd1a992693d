//! The commodity channel index.

use super::{
    length::Length,
    window::{Moments, ROUNDING, Window},
};
use crate::domain::bar::Bar;

/// How far the typical price (`hlc3`) is from its mean over `n` bars, in units of 0.015 mean absolute deviations, as in TA-Lib
/// (`ta_CCI.c`); 0 when all `n` are equal but for rounding. The cost per bar grows with `n`.
#[derive(Debug, Clone)]
pub struct Cci {
    n: Length,
    /// Its mean of equal values is exactly that value.
    window: Window<Moments>,
    prices: Box<[f64]>,
    at: usize,
}

impl Cci {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        let prices = vec![0.0; n.get() as usize].into_boxed_slice();
        Self { n, window: Window::new(n), prices, at: 0 }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        let price = (bar.high() + bar.low() + bar.close()) / 3.0;
        self.prices[self.at] = price;
        self.at = if self.at + 1 == self.prices.len() { 0 } else { self.at + 1 };
        let Some(moments) = self.window.push(price) else { return f64::NAN };
        let mean = moments.mean;
        let deviation = self.prices.iter().map(|x| (x - mean).abs()).sum::<f64>() / self.n.float();
        if deviation <= ROUNDING * mean { 0.0 } else { (price - mean) / (0.015 * deviation) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, length, outputs};

    #[test]
    fn it_counts_mean_deviations() {
        // By hand: prices 1, 2, 6: mean 3, mean deviation 2, (6 - 3) / (0.015 x 2) = 100.
        let mut cci = Cci::new(length(3));
        let bars = [1.0, 2.0, 6.0].map(|x| Bar::new([x, x, x, x, 0.0]).unwrap());
        check(bars.iter().map(|bar| cci.update(bar)), 3, &[100.0]);
    }

    #[test]
    fn equal_prices_are_on_their_mean() {
        for n in [1, 7] {
            let mut cci = Cci::new(length(n));
            let bar = Bar::new([0.1, 0.1, 0.1, 0.1, 0.0]).unwrap();
            let got = outputs((0..50).map(|_| cci.update(&bar)), n);
            assert!(got.iter().all(|x| *x == 0.0), "{got:?}");
        }
    }

    #[test]
    fn sums_that_differ_in_the_last_bit_are_equal() {
        // 99 + 94.85 + 95.6 = 97.35 + 95.2 + 96.9 in decimals.
        let bars = [[96.0, 99.0, 94.85, 95.6, 1.0], [96.0, 97.35, 95.2, 96.9, 1.0]];
        let bars = bars.map(|values| Bar::new(values).unwrap());
        let mut cci = Cci::new(length(4));
        check((0..20).map(|i| cci.update(&bars[i % 2])), 4, &[0.0; 17]);
    }
}
