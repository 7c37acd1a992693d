//! The correlation of two series.

use super::{
    length::Length,
    window::{Known, Merge, Window},
};

/// Count, means, and sums of squared and multiplied deviations of pairs; merged as [`super::window::Moments`] are.
#[derive(Debug, Clone, Copy)]
struct Pairs {
    count: f64,
    mean: (f64, f64),
    squares: (f64, f64),
    products: f64,
}

impl Merge for Pairs {
    type Input = (f64, f64);

    #[inline]
    fn of(mean: (f64, f64)) -> Self {
        Self { count: 1.0, mean, squares: (0.0, 0.0), products: 0.0 }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        let count = older.count + newer.count;
        let delta = (newer.mean.0 - older.mean.0, newer.mean.1 - older.mean.1);
        let share = newer.count / count;
        let weight = older.count * share;
        Self {
            count,
            mean: (older.mean.0 + delta.0 * share, older.mean.1 + delta.1 * share),
            squares: (
                older.squares.0 + newer.squares.0 + delta.0 * delta.0 * weight,
                older.squares.1 + newer.squares.1 + delta.1 * delta.1 * weight,
            ),
            products: older.products + newer.products + delta.0 * delta.1 * weight,
        }
    }
}

/// Pearson's correlation of the last `n` inputs of two series, -1 to 1, as in TA-Lib (`ta_CORREL.c`); 0 when all `n` of one of them
/// are equal.
#[derive(Debug, Clone)]
pub struct Corr {
    window: Window<Pairs>,
    known: Known,
}

impl Corr {
    /// Over `n` pairs.
    pub fn new(n: Length) -> Self {
        Self { window: Window::new(n), known: Known::new(n.get()) }
    }

    /// Takes in the next pair; NaN until warm, and while an unknown input is among the last `n` of either.
    #[inline]
    pub fn update(&mut self, a: f64, b: f64) -> f64 {
        let pairs = self.window.push((a, b));
        let known = self.known.take(if a.is_finite() { b } else { a });
        let Some(pairs) = pairs.filter(|_| known) else { return f64::NAN };
        let spread = pairs.squares.0.sqrt() * pairs.squares.1.sqrt();
        if spread == 0.0 { 0.0 } else { (pairs.products / spread).clamp(-1.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, check, length};

    #[test]
    fn a_series_moves_with_itself_and_against_its_mirror() {
        for n in [2, 9] {
            let (mut same, mut mirror) = (Corr::new(length(n)), Corr::new(length(n)));
            for (i, bar) in bars().enumerate() {
                let x = bar.close();
                let (same, mirror) = (same.update(x, 2.0 * x), mirror.update(x, -x));
                let warm = i + 1 >= n as usize;
                assert_eq!((same.is_nan(), mirror.is_nan()), (!warm, !warm));
                // Two equal closes have no direction.
                let still = same == 0.0 && mirror == 0.0;
                assert!(!warm || still || (same - 1.0).abs() < 1e-12, "{same}");
                assert!(!warm || still || (mirror + 1.0).abs() < 1e-12, "{mirror}");
            }
        }
    }

    #[test]
    fn without_spread_it_is_zero() {
        let mut corr = Corr::new(length(3));
        let got = (0..20).map(|i| corr.update(0.1, f64::from(i * i % 7)));
        check(got, 3, &[0.0; 18]);
    }

    #[test]
    fn an_unknown_input_of_either_hides_it() {
        let mut corr = Corr::new(length(2));
        let pairs = [(1.0, 1.0), (f64::NAN, 1.0), (1.0, 1.0), (2.0, f64::INFINITY), (1.0, 1.0)];
        let got = pairs.map(|(a, b)| corr.update(a, b));
        assert!(got.iter().all(|x| x.is_nan()), "{got:?}");
        assert!((corr.update(2.0, 3.0) - 1.0).abs() < 1e-12);
    }
}
