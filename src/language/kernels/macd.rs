//! Moving average convergence and divergence.

use super::{ema::Ema, length::Length};

/// The difference of two EMAs, as in TA-Lib (`ta_MACD.c`): the fast average skips the first `slow - fast` inputs, so that both
/// give their first value at the same bar.
///
/// An unknown input (NaN or infinite) is not taken in: NaN for that bar. That also goes for the two below.
#[derive(Debug, Clone)]
pub struct MacdLine {
    fast: Ema,
    slow: Ema,
    /// Inputs the fast average has still to skip.
    to_skip: u32,
}

impl MacdLine {
    /// `None` unless `fast` is shorter than `slow`.
    pub fn new(fast: Length, slow: Length) -> Option<Self> {
        let to_skip = slow.get().checked_sub(fast.get()).filter(|more| *more > 0)?;
        let [fast, slow] = [fast, slow].map(Ema::new);
        Some(Self { fast, slow, to_skip })
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        if !x.is_finite() {
            return f64::NAN;
        }
        let slow = self.slow.update(x);
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return f64::NAN;
        }
        self.fast.update(x) - slow
    }
}

/// The EMA of a [`MacdLine`].
#[derive(Debug, Clone)]
pub struct MacdSignal {
    line: MacdLine,
    signal: Ema,
}

impl MacdSignal {
    /// `None` unless `fast` is shorter than `slow`.
    pub fn new(fast: Length, slow: Length, signal: Length) -> Option<Self> {
        Some(Self { line: MacdLine::new(fast, slow)?, signal: Ema::new(signal) })
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.signal.update(self.line.update(x))
    }
}

/// A [`MacdLine`] minus its EMA.
#[derive(Debug, Clone)]
pub struct MacdHist {
    line: MacdLine,
    signal: Ema,
}

impl MacdHist {
    /// `None` unless `fast` is shorter than `slow`.
    pub fn new(fast: Length, slow: Length, signal: Length) -> Option<Self> {
        Some(Self { line: MacdLine::new(fast, slow)?, signal: Ema::new(signal) })
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        let line = self.line.update(x);
        line - self.signal.update(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length, outputs};

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
        let [fast, slow, of] = [4, 9, 3].map(length);
        let mut line = MacdLine::new(fast, slow).unwrap();
        let mut average = MacdSignal::new(fast, slow, of).unwrap();
        let mut rest = MacdHist::new(fast, slow, of).unwrap();
        let got = outputs(closes().map(|x| line.update(x)), 9);
        check(got[2..].iter().copied(), 1, &macd);
        check(closes().map(|x| average.update(x)), 11, &signal);
        check(closes().map(|x| rest.update(x)), 11, &histogram);
    }

    #[test]
    fn constant_inputs_give_zero() {
        let [one, two] = [1, 2].map(length);
        let mut line = MacdLine::new(one, two).unwrap();
        let mut rest = MacdHist::new(one, two, one).unwrap();
        assert!(line.update(0.1).is_nan() && rest.update(0.1).is_nan());
        for _ in 0..20 {
            assert_eq!((line.update(0.1), rest.update(0.1)), (0.0, 0.0));
        }
    }

    #[test]
    fn an_unknown_input_is_not_taken_in() {
        let [fast, slow, of] = [2, 5, 3].map(length);
        let mut plain = MacdHist::new(fast, slow, of).unwrap();
        let mut holed = plain.clone();
        for x in closes() {
            assert!(holed.update(f64::NAN).is_nan() && holed.update(f64::INFINITY).is_nan());
            let (plain, holed) = (plain.update(x), holed.update(x));
            assert!(plain == holed || plain.is_nan() && holed.is_nan());
        }
    }

    #[test]
    fn the_fast_average_must_be_the_faster_one() {
        assert!(MacdLine::new(length(9), length(9)).is_none());
        assert!(MacdHist::new(length(12), length(9), length(3)).is_none());
    }
}
