//! The place of the newest input among the last ones.

use super::{length::Length, window::Known};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, length};

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
}
