//! Returns over a number of bars.

use super::length::Length;

/// How a return is expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnKind {
    /// `x / x_n - 1`, computed as `(x - x_n) / x_n` (TA-Lib `ROCP`).
    Simple,
    /// `ln(x / x_n)`, the logarithm from `libm`.
    Log,
}

/// The return from the input `n` bars ago to the newest one, a fraction.
#[derive(Debug, Clone)]
pub struct Returns {
    kind: ReturnKind,
    ring: Box<[f64]>,
    at: usize,
}

impl Returns {
    /// Over `n` bars.
    pub fn new(n: Length, kind: ReturnKind) -> Self {
        Self { kind, ring: vec![f64::NAN; n.get() as usize].into_boxed_slice(), at: 0 }
    }

    /// Inputs until the first value.
    pub fn warm_up_bars(&self) -> u32 {
        self.ring.len() as u32 + 1
    }

    /// Takes in the next price, which must be positive; NaN until warm.
    #[inline]
    pub fn update(&mut self, price: f64) -> f64 {
        let before = std::mem::replace(&mut self.ring[self.at], price);
        self.at = if self.at + 1 == self.ring.len() { 0 } else { self.at + 1 };
        match self.kind {
            ReturnKind::Simple => (price - before) / before,
            ReturnKind::Log => libm::log(price / before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length, outputs};

    #[test]
    fn they_agree_with_ta_lib_and_numpy() {
        // TA-Lib 0.8.1: ROCP(close, 3). NumPy 2.4.6: log(close[i] / close[i-3]).
        let simple = [
            -0.037218413320274216,
            -0.028403525954946048,
            0.04022988505747115,
            0.09003051881993905,
            0.04889112903225801,
            -0.04189686924493552,
            -0.012132524498366881,
            0.06583373378183574,
            0.06054781355117729,
            -0.09683514407179972,
            -0.12623985572587917,
            -0.14680561848663334,
            -0.015167364016736283,
            0.015995872033023707,
            0.03823685608072219,
            0.07222517259691977,
            0.04824784154393093,
            0.05421994884910483,
            -0.010896483407627623,
            -0.03779069767441866,
            -0.012130033964095099,
        ];
        let log = [
            -0.037928698017498964,
            -0.028814710879792624,
            0.03944173205129662,
            0.08620569476646525,
            0.04773353854881627,
            -0.04279985466019161,
            -0.012206724338711969,
            0.06375734151667803,
            0.058785579863101886,
            -0.10185017752351856,
            -0.13494937545960078,
            -0.15876787759958386,
            -0.01528356495419402,
            0.015869286188414034,
            0.03752394376231373,
            0.06973608965568512,
            0.0471200479623278,
            0.05280110847099288,
            -0.010956284897022354,
            -0.03852328199633552,
            -0.012204203220045636,
        ];
        for (kind, expected) in [(ReturnKind::Simple, &simple), (ReturnKind::Log, &log)] {
            let mut returns = Returns::new(length(3), kind);
            let warm_up = returns.warm_up_bars();
            check(closes().map(|x| returns.update(x)), warm_up, expected);
        }
    }

    #[test]
    fn constant_prices_return_nothing_and_huge_ones_stay_finite() {
        for kind in [ReturnKind::Simple, ReturnKind::Log] {
            let mut returns = Returns::new(length(1), kind);
            let got = outputs([0.1, 0.1, 0.1, 1e300].into_iter().map(|x| returns.update(x)), 2);
            assert_eq!(got[..2], [0.0, 0.0]);
            assert!(got[2].is_finite());
        }
    }
}
