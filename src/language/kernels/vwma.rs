//! The average weighted by volume.

use super::{
    length::Length,
    window::{Bounds, Merge, Window},
};

#[derive(Debug, Clone, Copy)]
struct Traded {
    sum: f64,
    volume: f64,
    value: f64,
    bounds: Bounds,
}

impl Merge for Traded {
    /// A number and its volume.
    type Input = (f64, f64);

    #[inline]
    fn of((x, volume): (f64, f64)) -> Self {
        Self { sum: x, volume, value: x * volume, bounds: Bounds::of(x) }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        Self {
            sum: older.sum + newer.sum,
            volume: older.volume + newer.volume,
            value: older.value + newer.value,
            bounds: Bounds::merge(older.bounds, newer.bounds),
        }
    }
}

/// The mean of the last `n` inputs, each with the volume of its bar as weight, as in TA-Lib (`ta_VWMA.c`).
///
/// One difference: when none of the `n` bars has volume it is their plain mean, not NaN.
#[derive(Debug, Clone)]
pub struct Vwma {
    n: Length,
    window: Window<Traded>,
}

impl Vwma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { n, window: Window::new(n) }
    }

    /// Takes in the next input and its volume; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64, volume: f64) -> f64 {
        let Some(traded) = self.window.push((x, volume)) else { return f64::NAN };
        if traded.volume == 0.0 {
            return traded.bounds.around(traded.sum / self.n.float());
        }
        traded.bounds.around(traded.value / traded.volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, length};

    #[test]
    fn volume_is_the_weight_and_without_any_all_weigh_the_same() {
        // By hand: (10 x 1 + 20 x 3) / 4, (20 x 3 + 30 x 0) / 3, then no volume: (30 + 40) / 2.
        let inputs = [(10.0, 1.0), (20.0, 3.0), (30.0, 0.0), (40.0, 0.0)];
        let mut vwma = Vwma::new(length(2));
        let got = inputs.into_iter().map(|(x, volume)| vwma.update(x, volume));
        check(got, 2, &[17.5, 20.0, 35.0]);
    }

    #[test]
    fn an_unknown_input_is_unknown_also_without_volume() {
        let mut vwma = Vwma::new(length(2));
        let inputs = [1.0, f64::NAN, 3.0, f64::INFINITY, 5.0, 7.0];
        let got = inputs.map(|x| vwma.update(x, 0.0));
        assert!(got[..5].iter().all(|x| !x.is_finite()), "{got:?}");
        assert_eq!(got[5], 6.0);
    }
}
