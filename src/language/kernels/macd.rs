//! Moving average convergence and divergence.

use super::{ema::Ema, length::Length};

/// The MACD at one close, in the unit of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MacdValue {
    /// Fast average minus slow average.
    pub macd: f64,
    /// The average of `macd`.
    pub signal: f64,
    /// `macd - signal`.
    pub histogram: f64,
}

/// The difference of two EMAs and its own EMA, as in TA-Lib (`ta_MACD.c`): the fast average skips the first `slow - fast`
/// inputs, so that both give their first value at the same bar.
#[derive(Debug, Clone)]
pub struct Macd {
    fast: Ema,
    slow: Ema,
    signal: Ema,
    /// Inputs the fast average has still to skip.
    to_skip: u32,
}

impl Macd {
    /// `None` unless `fast` is shorter than `slow`.
    pub fn new(fast: Length, slow: Length, signal: Length) -> Option<Self> {
        let to_skip = slow.get().checked_sub(fast.get()).filter(|more| *more > 0)?;
        let [fast, slow, signal] = [fast, slow, signal].map(Ema::new);
        Some(Self { fast, slow, signal, to_skip })
    }

    /// Inputs until the first value.
    pub fn warm_up_bars(&self) -> u32 {
        self.slow.warm_up_bars() + self.signal.warm_up_bars() - 1
    }

    /// Takes in the next input; all three NaN until warm.
    #[inline]
    pub fn update(&mut self, x: f64) -> MacdValue {
        let none = MacdValue { macd: f64::NAN, signal: f64::NAN, histogram: f64::NAN };
        let slow = self.slow.update(x);
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return none;
        }
        let macd = self.fast.update(x) - slow;
        if macd.is_nan() {
            return none;
        }
        let signal = self.signal.update(macd);
        if signal.is_nan() { none } else { MacdValue { macd, signal, histogram: macd - signal } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length};

    #[test]
    fn it_agrees_with_ta_lib() {
        // TA-Lib 0.8.1: MACD(close, 4, 9, 3).
        let macd = [
            2.664722222222224,
            2.619677777777767,
            -0.5615177777777944,
            -1.783570222222238,
            -2.7774697777777817,
            -3.0323439822222156,
            -2.0520960817777762,
            -1.5574094030222199,
            -0.5553670449777712,
            0.4200426504817756,
            0.8246358922638279,
            0.3128697769381006,
            -0.0678075405732983,
            0.2548919502670941,
        ];
        let signal = [
            2.461574074074084,
            2.5406259259259256,
            0.9895540740740656,
            -0.3970080740740862,
            -1.587238925925934,
            -2.309791454074075,
            -2.1809437679259256,
            -1.8691765854740727,
            -1.212271815225922,
            -0.3961145823720732,
            0.21426065494587732,
            0.26356521594198895,
            0.09787883768434533,
            0.17638539397571973,
        ];
        let histogram = [
            0.20314814814814008,
            0.07905185185184127,
            -1.55107185185186,
            -1.3865621481481518,
            -1.1902308518518476,
            -0.7225525281481406,
            0.12884768614814934,
            0.31176718245185286,
            0.6569047702481507,
            0.8161572328538488,
            0.6103752373179506,
            0.049304560996111635,
            -0.16568637825764362,
            0.07850655629137437,
        ];
        let mut indicator = Macd::new(length(4), length(9), length(3)).unwrap();
        let warm_up = indicator.warm_up_bars();
        assert_eq!(warm_up, 11);
        let got: Vec<MacdValue> = closes().map(|x| indicator.update(x)).collect();
        check(got.iter().map(|value| value.macd), warm_up, &macd);
        check(got.iter().map(|value| value.signal), warm_up, &signal);
        check(got.iter().map(|value| value.histogram), warm_up, &histogram);
    }

    #[test]
    fn constant_inputs_give_zero() {
        let mut macd = Macd::new(length(1), length(2), length(1)).unwrap();
        assert!(macd.update(0.1).macd.is_nan());
        for _ in 0..20 {
            let zero = MacdValue { macd: 0.0, signal: 0.0, histogram: 0.0 };
            assert_eq!(macd.update(0.1), zero);
        }
    }

    #[test]
    fn the_fast_average_must_be_the_faster_one() {
        assert!(Macd::new(length(9), length(9), length(3)).is_none());
        assert!(Macd::new(length(12), length(9), length(3)).is_none());
    }
}
