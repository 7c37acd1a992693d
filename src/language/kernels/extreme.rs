//! The highest and the lowest of the last inputs.

use super::{
    length::Length,
    window::{Known, Merge, Window},
};

#[derive(Debug, Clone, Copy)]
struct Extreme<const HIGHEST: bool>(f64);

impl<const HIGHEST: bool> Merge for Extreme<HIGHEST> {
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        Self(value)
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        let keep = if HIGHEST { older.0 > newer.0 } else { older.0 < newer.0 };
        if keep { older } else { newer }
    }
}

/// The highest, or else the lowest, of the last `n` inputs, the newest included.
#[derive(Debug, Clone)]
pub struct Rolling<const HIGHEST: bool> {
    known: Known,
    window: Window<Extreme<HIGHEST>>,
}

/// The highest of the last `n` inputs, the newest included.
pub type RollingHigh = Rolling<true>;

/// The lowest of the last `n` inputs, the newest included.
pub type RollingLow = Rolling<false>;

impl<const HIGHEST: bool> Rolling<HIGHEST> {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { known: Known::new(n.get()), window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        let value = self.window.push(x);
        if self.known.take(x) { value.map_or(f64::NAN, |extreme| extreme.0) } else { f64::NAN }
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, |extreme, _| extreme.0);
        for (out, x) in out.iter_mut().zip(x) {
            if !self.known.take(*x) {
                *out = f64::NAN;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, check, length};

    #[test]
    fn they_agree_with_ta_lib() {
        // TA-Lib 0.8.1: MAX(high, 6) and MIN(low, 6).
        let highest = [
            109.35, 109.35, 109.35, 109.35, 109.35, 111.45, 112.2, 112.2, 112.2, 112.2, 112.2,
            112.2, 99.05, 101.3, 103.65, 103.65, 104.15, 104.15, 104.15,
        ];
        let lowest = [
            97.1, 97.1, 97.1, 97.1, 97.1, 103.3, 103.3, 94.85, 94.85, 93.4, 93.4, 93.4, 93.4, 93.4,
            93.4, 93.85, 94.0, 97.55, 97.55,
        ];
        let (mut high, mut low) = (RollingHigh::new(length(6)), RollingLow::new(length(6)));
        check(bars().map(|bar| high.update(bar.high())), 6, &highest);
        check(bars().map(|bar| low.update(bar.low())), 6, &lowest);
    }

    #[test]
    fn a_length_of_one_follows_the_input() {
        let (mut high, mut low) = (RollingHigh::new(length(1)), RollingLow::new(length(1)));
        for x in [3.0, 1e300, -4.0, 4.0] {
            assert_eq!((high.update(x), low.update(x)), (x, x));
        }
    }

    #[test]
    fn an_unknown_input_hides_the_value_until_it_has_left() {
        for unknown in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let (mut high, mut low) = (RollingHigh::new(length(3)), RollingLow::new(length(3)));
            let inputs = [unknown, 5.0, 1.0, 2.0, unknown, 3.0, 4.0, 6.0];
            let got = inputs.map(|x| (high.update(x), low.update(x)));
            for (i, (high, low)) in got.into_iter().enumerate() {
                let expected = if i == 3 { (5.0, 1.0) } else { (6.0, 3.0) };
                let warm = i == 3 || i == 7;
                assert_eq!(warm, (high, low) == expected, "{i}: {high} {low}");
                assert_eq!(warm, !high.is_nan() && !low.is_nan());
            }
        }
    }
}
