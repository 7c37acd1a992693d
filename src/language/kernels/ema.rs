//! Exponential moving averages, seeded with a simple average.

use super::length::Length;

/// `value += (x - value) * alpha`, started from the mean of the first `n` inputs, as in TA-Lib (`ta_EMA.c`, "classic" start).
///
/// An unknown input (NaN or infinite) is not taken in: NaN for that bar, and the average goes on as if the bar had not been. The
/// same goes for an input so large that the average would become infinite, which it would stay for ever.
#[derive(Debug, Clone, Copy)]
pub struct Ema {
    n: Length,
    alpha: f64,
    /// Inputs still missing before there is an average.
    missing: u32,
    /// The sum of the inputs while some are missing, the average from then on.
    value: f64,
}

impl Ema {
    /// `alpha = 2 / (n + 1)`.
    pub fn new(n: Length) -> Self {
        Self::with_alpha(n, 2.0 / (n.float() + 1.0))
    }

    /// Wilder's average, `alpha = 1 / n`: as slow as an [`Ema::new`] of `2 n - 1`.
    pub fn wilder(n: Length) -> Self {
        Self::with_alpha(n, 1.0 / n.float())
    }

    fn with_alpha(n: Length, alpha: f64) -> Self {
        Self { n, alpha, missing: n.get(), value: 0.0 }
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        if self.missing > 0 {
            let (seeded, value) = self.seed(x);
            *self = seeded;
            return value;
        }
        let next = self.value + (x - self.value) * self.alpha;
        if !next.is_finite() {
            return f64::NAN;
        }
        self.value = next;
        next
    }

    /// The same for a column, in place.
    pub fn run(&mut self, column: &mut [f64]) {
        let mut inputs = column.iter_mut();
        while self.missing > 0 {
            let Some(x) = inputs.next() else { return };
            *x = self.update(*x);
        }
        let (alpha, mut value) = (self.alpha, self.value);
        while !inputs.as_slice().is_empty() {
            // What is unknown leaves the loop: inside it the next value waits for three operations only.
            for x in &mut inputs {
                let next = value + (*x - value) * alpha;
                if !next.is_finite() {
                    *x = f64::NAN;
                    break;
                }
                (value, *x) = (next, next);
            }
        }
        self.value = value;
    }

    /// By value, so that an average in a loop over a column stays in registers.
    #[inline]
    fn seed(mut self, x: f64) -> (Self, f64) {
        let sum = self.value + x;
        if !sum.is_finite() {
            return (self, f64::NAN);
        }
        self.value = sum;
        self.missing -= 1;
        if self.missing > 0 {
            return (self, f64::NAN);
        }
        self.value /= self.n.float();
        (self, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length, outputs};

    #[test]
    fn it_agrees_with_ta_lib() {
        // TA-Lib 0.8.1: EMA(close, 5).
        let expected = [
            101.22,
            103.67999999999999,
            104.83666666666666,
            104.57444444444444,
            104.39962962962963,
            104.88308641975308,
            106.88872427983539,
            108.04248285322359,
            103.89498856881572,
            101.56332571254381,
            99.09221714169588,
            97.44481142779726,
            97.77987428519818,
            97.76991619013212,
            98.82994412675475,
            100.28662941783651,
            101.20775294522434,
            100.75516863014956,
            100.27011242009971,
            100.78007494673314,
        ];
        let mut ema = Ema::new(length(5));
        check(closes().map(|x| ema.update(x)), 5, &expected);
    }

    #[test]
    fn constant_inputs_are_given_back_exactly() {
        for mut ema in [Ema::new(length(7)), Ema::wilder(length(7))] {
            let got = outputs(std::iter::repeat_n(27.5, 100).map(|x| ema.update(x)), 7);
            assert!(got.iter().all(|x| *x == 27.5), "{got:?}");
        }
    }

    #[test]
    fn a_length_of_one_follows_the_input() {
        for mut ema in [Ema::new(length(1)), Ema::wilder(length(1))] {
            for x in [3.0, 250.7, 0.1, 1e9, 27.3] {
                let got = ema.update(x);
                // The step is rounded in units of the larger of the two values.
                assert!((got - x).abs() <= 1e9 * f64::EPSILON, "{got}, expected {x}");
            }
        }
    }

    #[test]
    fn huge_inputs_stay_finite() {
        let mut ema = Ema::new(length(3));
        let inputs = [1e300, 1.0, 1e300, 1.0, f64::MAX / 4.0, 1.0];
        let got = outputs(inputs.into_iter().map(|x| ema.update(x)), 3);
        assert!(got.iter().all(|x| x.is_finite()), "{got:?}");
    }

    #[test]
    fn an_unknown_input_is_not_taken_in() {
        for unknown in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let (mut plain, mut holed) = (Ema::new(length(3)), Ema::new(length(3)));
            for x in closes() {
                assert!(holed.update(unknown).is_nan());
                assert_eq!(holed.update(x).to_bits(), plain.update(x).to_bits());
            }
        }
    }

    #[test]
    fn an_average_of_an_average_becomes_warm() {
        let (mut inner, mut outer) = (Ema::new(length(5)), Ema::new(length(5)));
        outputs(closes().map(|x| outer.update(inner.update(x))), 9);
    }
}
