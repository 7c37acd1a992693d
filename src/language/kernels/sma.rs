//! The simple moving average.

use super::{
    length::Length,
    window::{Sum, Window},
};

/// The mean of the last `n` inputs (TA-Lib `ta_SMA.c`), each summed up anew and none subtracted.
#[derive(Debug, Clone)]
pub struct Sma {
    n: Length,
    window: Window<Sum>,
}

impl Sma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { n, window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |sum| sum.0 / self.n.float())
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
}
