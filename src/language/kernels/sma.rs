//! The simple moving average.

use super::{
    length::Length,
    window::{Bounds, Merge, Window},
};

#[derive(Debug, Clone, Copy)]
struct Plain {
    sum: f64,
    bounds: Bounds,
}

impl Merge for Plain {
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        Self { sum: value, bounds: Bounds::of(value) }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        let bounds = Bounds::merge(older.bounds, newer.bounds);
        Self { sum: older.sum + newer.sum, bounds }
    }
}

/// The mean of the last `n` inputs (TA-Lib `ta_SMA.c`), each summed up anew and none subtracted. Of equal inputs it is
/// exactly that input.
#[derive(Debug, Clone)]
pub struct Sma {
    n: Length,
    window: Window<Plain>,
}

impl Sma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { n, window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |all| all.bounds.around(all.sum / self.n.float()))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        let n = self.n.float();
        self.window.run(x, out, |all, _| all.bounds.around(all.sum / n));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length};

    #[test]
    fn it_agrees_with_numpy() {
        // NumPy 2.4.6: mean(close[i-4..=i]).
        let expected = [
            101.22,
            102.52000000000001,
            103.53,
            103.46,
            104.61000000000001,
            105.94000000000001,
            106.4,
            107.04,
            105.35,
            103.92,
            101.58,
            98.22999999999999,
            95.85,
            96.28,
            97.09,
            98.9,
            100.67999999999999,
            100.96,
            101.27,
            101.44000000000001,
        ];
        let mut sma = Sma::new(length(5));
        check(closes().map(|x| sma.update(x)), 5, &expected);
    }

    #[test]
    fn a_length_of_one_follows_the_input() {
        let mut sma = Sma::new(length(1));
        for x in [3.0, 1e300, 4.0] {
            assert_eq!(sma.update(x), x);
        }
    }

    #[test]
    fn values_too_large_to_add_up_do_not_stay() {
        let mut sma = Sma::new(length(2));
        let got = [f64::MAX, f64::MAX, 1.0, 3.0].map(|x| sma.update(x));
        assert_eq!(got[1], f64::INFINITY);
        assert_eq!(got[3], 2.0);
    }

    #[test]
    fn constant_inputs_are_given_back_exactly() {
        for (n, x) in [(5, 581.12), (7, 659.62), (3, 0.1), (48, 27_344.11), (200, 1e-9 / 3.0)] {
            let (mut sma, mut wma) = (Sma::new(length(n)), super::super::wma::Wma::new(length(n)));
            let mut hma = super::super::wma::Hma::new(length(n));
            let mut vwma = super::super::vwma::Vwma::new(length(n));
            for i in 0..3 * n {
                let volume = f64::from(i % 7) + 0.3;
                let all = [sma.update(x), wma.update(x), hma.update(x), vwma.update(x, volume)];
                assert!(all.iter().all(|got| got.is_nan() || *got == x), "{n}, bar {i}: {all:?}");
            }
        }
    }
}
