//! Returns over a number of bars.

use super::{length::Length, logic::Delay, window::zero_of};

/// `100 (x - x_n) / x_n`, in per cent, from the input `n` bars ago to the newest one, as in TA-Lib (`ta_ROC.c`); 0 if that input
/// was 0, as there.
#[derive(Debug, Clone)]
pub struct Roc {
    delay: Delay,
}

impl Roc {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { delay: Delay::new(n) }
    }

    /// Takes in the next input; NaN until warm, unknown if one of the two is.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        change(x, self.delay.update(x))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.delay.run(x, out);
        for (out, x) in out.iter_mut().zip(x) {
            *out = change(*x, *out);
        }
    }
}

#[inline]
fn change(x: f64, before: f64) -> f64 {
    if before == 0.0 { zero_of(x) } else { 100.0 * ((x - before) / before) }
}

/// `x - x_n`, from the input `n` bars ago to the newest one, as in TA-Lib (`ta_MOM.c`).
#[derive(Debug, Clone)]
pub struct Mom {
    delay: Delay,
}

impl Mom {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { delay: Delay::new(n) }
    }

    /// Takes in the next input; NaN until warm, unknown if one of the two is.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        x - self.delay.update(x)
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.delay.run(x, out);
        for (out, x) in out.iter_mut().zip(x) {
            *out = x - *out;
        }
    }
}

/// `ln(x / x_n)`, from the input `n` bars ago to the newest one, the logarithm from `libm`. Unknown unless both are above 0.
#[derive(Debug, Clone)]
pub struct LogReturn {
    delay: Delay,
}

impl LogReturn {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { delay: Delay::new(n) }
    }

    /// Takes in the next input; NaN until warm, unknown if one of the two is.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        log_change(x, self.delay.update(x))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.delay.run(x, out);
        for (out, x) in out.iter_mut().zip(x) {
            *out = log_change(*x, *out);
        }
    }
}

#[inline]
fn log_change(x: f64, before: f64) -> f64 {
    if before > 0.0 && x > 0.0 { libm::log(x / before) } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length, outputs};

    #[test]
    fn they_agree_with_ta_lib_and_numpy() {
        // TA-Lib 0.8.1: ROCP(close, 3), a hundredth of ROC. NumPy 2.4.6: log(close[i] / close[i-3]).
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
        let (mut roc, mut log_return) = (Roc::new(length(3)), LogReturn::new(length(3)));
        check(closes().map(|x| roc.update(x) / 100.0), 4, &simple);
        check(closes().map(|x| log_return.update(x)), 4, &log);
    }

    #[test]
    fn constant_prices_return_nothing_and_huge_ones_stay_finite() {
        let (mut roc, mut log_return) = (Roc::new(length(1)), LogReturn::new(length(1)));
        for got in [
            outputs([0.1, 0.1, 0.1, 1e300].into_iter().map(|x| roc.update(x)), 2),
            outputs([0.1, 0.1, 0.1, 1e300].into_iter().map(|x| log_return.update(x)), 2),
        ] {
            assert_eq!(got[..2], [0.0, 0.0]);
            assert!(got[2].is_finite());
        }
    }

    #[test]
    fn what_has_no_return_is_zero_or_unknown() {
        let mut roc = Roc::new(length(1));
        assert_eq!([0.0, 5.0, 0.0, 0.0].map(|x| roc.update(x))[1..], [0.0, -100.0, 0.0]);
        assert!(roc.update(f64::NAN).is_nan() && roc.update(1.0).is_nan());
        assert_eq!(roc.update(0.5), -50.0);
        let mut log_return = LogReturn::new(length(1));
        let got = [-1.0, -2.0, 0.0, 3.0, 3.0].map(|x| log_return.update(x));
        assert!(got[..4].iter().all(|x| !x.is_finite()), "{got:?}");
        assert_eq!(got[4], 0.0);
    }
}
