//! Among the last inputs: the place of the newest one, the highest and the lowest, and how two series go together.

use super::window::{Known, Length, Merge, SlidingWindow};

/// The share of the last `n` inputs (the newest included) that are at most the newest: from `1 / n` for the lowest to 1 for the
/// highest. The cost per bar grows with `n`.
///
/// TA-Lib's `PERCENTRANK` compares with the `n` inputs before the newest, in per cent.
#[derive(Debug, Clone)]
pub struct Rank {
    n: Length,
    known: Known,
    ring: Box<[f64]>,
    at: usize,
}

impl Rank {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        let ring = vec![0.0; n.get() as usize].into_boxed_slice();
        Self { n, known: Known::new(n.get()), ring, at: 0 }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.ring[self.at] = x;
        self.at = if self.at + 1 == self.ring.len() { 0 } else { self.at + 1 };
        if !self.known.take(x) {
            return f64::NAN;
        }
        let at_most: u32 = self.ring.iter().map(|y| u32::from(*y <= x)).sum();
        f64::from(at_most) / self.n.float()
    }
}

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
    window: SlidingWindow<Extreme<HIGHEST>>,
}

/// The highest of the last `n` inputs, the newest included.
pub type RollingHigh = Rolling<true>;

/// The lowest of the last `n` inputs, the newest included.
pub type RollingLow = Rolling<false>;

impl<const HIGHEST: bool> Rolling<HIGHEST> {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { known: Known::new(n.get()), window: SlidingWindow::new(n) }
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
    window: SlidingWindow<Pairs>,
    known: Known,
}

impl Corr {
    /// Over `n` pairs.
    pub fn new(n: Length) -> Self {
        Self { window: SlidingWindow::new(n), known: Known::new(n.get()) }
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
    fn it_counts_what_is_not_higher() {
        let mut rank = Rank::new(length(4));
        let inputs = [3.0, 1.0, 2.0, 2.0, 5.0, 0.0, 2.0];
        check(inputs.into_iter().map(|x| rank.update(x)), 4, &[0.75, 1.0, 0.25, 0.75]);
    }

    #[test]
    fn an_unknown_input_hides_it_until_it_has_left() {
        let mut rank = Rank::new(length(2));
        let got = [1.0, 2.0, f64::INFINITY, 3.0, 4.0, f64::NAN, 5.0].map(|x| rank.update(x));
        let known: Vec<usize> = (0..7).filter(|i| !got[*i].is_nan()).collect();
        assert_eq!(known, [1, 4], "{got:?}");
    }

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
