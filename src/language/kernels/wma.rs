//! The linearly weighted average, and Hull's average of it.

use super::{
    length::Length,
    window::{Bounds, Merge, Window},
};

/// The values with weights 1, 2, 3... from the oldest to the newest.
#[derive(Debug, Clone, Copy)]
struct Weighted {
    count: f64,
    sum: f64,
    /// The sum of the values times their weights.
    product: f64,
    bounds: Bounds,
}

impl Merge for Weighted {
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, product: value, bounds: Bounds::of(value) }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        Self {
            count: older.count + newer.count,
            sum: older.sum + newer.sum,
            product: older.product + (newer.product + older.count * newer.sum),
            bounds: Bounds::merge(older.bounds, newer.bounds),
        }
    }
}

/// The mean of the last `n` inputs with weights 1 (the oldest) to `n` (the newest), as in TA-Lib (`ta_WMA.c`).
#[derive(Debug, Clone)]
pub struct Wma {
    weights: f64,
    window: Window<Weighted>,
}

impl Wma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { weights: n.float() * (n.float() + 1.0) / 2.0, window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |all| all.bounds.around(all.product / self.weights))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, |all, _| all.bounds.around(all.product / self.weights));
    }
}

/// Hull's average, as in TA-Lib (`ta_HMA.c`): `wma(2 wma(x, n / 2) - wma(x, n), sqrt(n))`, both lengths rounded down, the first
/// at least 1.
#[derive(Debug, Clone)]
pub struct Hma {
    /// Boxed, since a program holds many kernels of one size.
    half: Box<Wma>,
    whole: Box<Wma>,
    smooth: Wma,
}

impl Hma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self {
            half: Box::new(Wma::new(n.shorter(n.get() / 2))),
            whole: Box::new(Wma::new(n)),
            smooth: Wma::new(n.shorter(n.get().isqrt())),
        }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among those it looks at.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        let ahead = 2.0 * self.half.update(x) - self.whole.update(x);
        self.smooth.update(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length};

    #[test]
    fn the_newest_weighs_most() {
        // By hand: (1 x 1 + 2 x 10 + 3 x 100) / 6, then (10 + 200 + 3000) / 6.
        let mut wma = Wma::new(length(3));
        check([1.0, 10.0, 100.0, 1000.0].into_iter().map(|x| wma.update(x)), 3, &[53.5, 535.0]);
    }

    #[test]
    fn on_a_straight_line_hull_has_no_delay() {
        // wma(n) of a line lies (n - 1) / 3 behind: twice 1/3 less 1, and 1/3 for the last one, is 0 for n = 4.
        let mut hma = Hma::new(length(4));
        let line = (0..12).map(|i| f64::from(i) + 100.0);
        let expected: Vec<f64> = line.clone().skip(4).collect();
        check(line.map(|x| hma.update(x)), 5, &expected);
    }

    #[test]
    fn a_length_of_one_follows_the_input() {
        let (mut wma, mut hma) = (Wma::new(length(1)), Hma::new(length(1)));
        for x in closes() {
            assert_eq!((wma.update(x), hma.update(x)), (x, x));
        }
    }

    #[test]
    fn an_unknown_input_is_gone_when_it_has_left() {
        let (mut holed, mut plain) = (Wma::new(length(3)), Wma::new(length(3)));
        let got: Vec<f64> = [1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0].map(|x| holed.update(x)).to_vec();
        assert!(got[..5].iter().all(|x| x.is_nan()), "{got:?}");
        assert_eq!(got[5], [4.0, 5.0, 6.0].map(|x| plain.update(x))[2]);
    }
}
