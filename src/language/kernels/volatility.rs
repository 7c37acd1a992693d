//! Realised volatility.

use super::{
    length::Length,
    returns::LogReturn,
    window::{Moments, Window},
};

/// The sample standard deviation (divisor n - 1) of the last `n` one-bar log returns, per bar, not annualised.
#[derive(Debug, Clone)]
pub struct RealisedVolatility {
    returns: LogReturn,
    window: Window<Moments>,
}

impl RealisedVolatility {
    /// Over `n` returns; `None` for one, which has no spread.
    pub fn new(n: Length) -> Option<Self> {
        let one = Length::new(1)?;
        let returns = LogReturn::new(one);
        (n > one).then(|| Self { returns, window: Window::new(n) })
    }

    /// Takes in the next price, which must be positive; NaN until warm.
    #[inline]
    pub fn update(&mut self, price: f64) -> f64 {
        let log_return = self.returns.update(price);
        if log_return.is_nan() {
            return f64::NAN;
        }
        self.window.push(log_return).map_or(f64::NAN, Moments::sample_sd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length, outputs};

    #[test]
    fn it_agrees_with_numpy_and_pandas() {
        // NumPy 2.4.6: std(ddof=1) of five log returns; pandas 3.1.1 rolling(5).std() agrees to 4e-16.
        let expected = [
            0.053940948031501464,
            0.055033825680343665,
            0.05688674217167857,
            0.046571484878388636,
            0.04661286339172689,
            0.029244740650465458,
            0.028194448369942643,
            0.07355945383366773,
            0.07457800921579749,
            0.07254623263991138,
            0.06376057304390575,
            0.07243858001164633,
            0.027192717745973333,
            0.029902264888995653,
            0.021703870401825864,
            0.02201887583685856,
            0.025158485145763076,
            0.02500882026362065,
            0.023009930977907943,
        ];
        let mut volatility = RealisedVolatility::new(length(5)).unwrap();
        check(closes().map(|x| volatility.update(x)), 6, &expected);
    }

    #[test]
    fn a_market_at_rest_has_none() {
        let mut volatility = RealisedVolatility::new(length(2)).unwrap();
        let got = outputs((0..20).map(|_| volatility.update(0.1)), 3);
        assert!(got.iter().all(|x| *x == 0.0), "{got:?}");
    }

    #[test]
    fn one_return_has_no_spread() {
        assert!(RealisedVolatility::new(length(1)).is_none());
    }
}
