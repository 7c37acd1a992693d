//! The standard deviation, and Bollinger's bands.

use super::{
    length::Length,
    window::{Moments, Window},
};

/// The population standard deviation of the last `n` inputs, as in TA-Lib (`ta_STDDEV.c`); exactly 0 when they are equal.
#[derive(Debug, Clone)]
pub struct Stdev {
    window: Window<Moments>,
}

impl Stdev {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, Moments::population_sd)
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, |moments, _| moments.population_sd());
    }
}

/// The simple average of the last `n` inputs plus `k` population standard deviations, as in TA-Lib (`ta_BBANDS.c`).
#[derive(Debug, Clone)]
pub struct BbUpper {
    k: f64,
    window: Window<Moments>,
}

impl BbUpper {
    /// Over `n` inputs, `k` standard deviations above the average.
    pub fn new(n: Length, k: f64) -> Self {
        Self { k, window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |moments| above(moments, self.k))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, |moments, _| above(moments, self.k));
    }
}

/// The simple average of the last `n` inputs, exactly in the middle of the bands; its last digits may differ from those of
/// [`Sma`](super::sma::Sma), which sums in another way.
#[derive(Debug, Clone)]
pub struct BbMid {
    window: Window<Moments>,
}

impl BbMid {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |moments| moments.mean)
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, |moments, _| moments.mean);
    }
}

/// The simple average of the last `n` inputs minus `k` population standard deviations, as in TA-Lib (`ta_BBANDS.c`).
#[derive(Debug, Clone)]
pub struct BbLower {
    k: f64,
    window: Window<Moments>,
}

impl BbLower {
    /// Over `n` inputs, `k` standard deviations below the average.
    pub fn new(n: Length, k: f64) -> Self {
        Self { k, window: Window::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |moments| below(moments, self.k))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, |moments, _| below(moments, self.k));
    }
}

#[inline]
fn above(moments: Moments, k: f64) -> f64 {
    moments.mean + k * moments.population_sd()
}

#[inline]
fn below(moments: Moments, k: f64) -> f64 {
    moments.mean - k * moments.population_sd()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length};

    #[test]
    fn it_agrees_with_numpy_and_ta_lib() {
        // NumPy 2.4.6: mean and std(ddof=0) of close[i-5..=i]; TA-Lib 0.8.1 BBANDS(close, 6, 2.5, 2.5) agrees to 4e-16.
        let upper = [
            110.96805680109418,
            112.83171838589521,
            113.07564241577514,
            112.99270551553083,
            112.28523506287816,
            112.90681233992956,
            113.91718431622803,
            117.80767311451677,
            118.81288759184814,
            119.72717531441066,
            118.67444364686132,
            112.29466446472117,
            100.33916258904001,
            103.05330373683734,
            106.37360224238213,
            107.57159482876324,
            105.76302537925821,
            105.60123572041756,
            105.05617664246488,
        ];
        let middle = [
            102.45,
            103.29166666666667,
            103.61666666666666,
            103.55833333333332,
            104.81666666666668,
            106.76666666666667,
            107.05833333333334,
            105.13333333333334,
            103.94166666666666,
            102.29166666666667,
            100.34166666666665,
            98.26666666666667,
            96.16666666666667,
            97.05833333333334,
            98.10833333333333,
            99.59166666666665,
            100.54166666666667,
            100.68333333333332,
            101.35833333333333,
        ];
        let lower = [
            93.93194319890583,
            93.75161494743813,
            94.15769091755818,
            94.12396115113582,
            97.3480982704552,
            100.62652099340377,
            100.19948235043864,
            92.4589935521499,
            89.07044574148519,
            84.85615801892268,
            82.00888968647199,
            84.23866886861217,
            91.99417074429333,
            91.06336292982934,
            89.84306442428453,
            91.61173850457007,
            95.32030795407513,
            95.76543094624908,
            97.66049002420179,
        ];
        let (mut above, mut below) = (BbUpper::new(length(6), 2.5), BbLower::new(length(6), 2.5));
        let mut between = BbMid::new(length(6));
        check(closes().map(|x| above.update(x)), 6, &upper);
        check(closes().map(|x| between.update(x)), 6, &middle);
        check(closes().map(|x| below.update(x)), 6, &lower);
    }

    #[test]
    fn without_spread_the_bands_lie_on_the_price() {
        for n in [1, 5] {
            let (mut above, mut below) =
                (BbUpper::new(length(n), 2.0), BbLower::new(length(n), 2.0));
            let (mut between, mut spread) = (BbMid::new(length(n)), Stdev::new(length(n)));
            for i in 1..20 {
                let bands = [above.update(0.1), between.update(0.1), below.update(0.1)];
                let spread = spread.update(0.1);
                assert!(if i < n { spread.is_nan() } else { bands == [0.1; 3] && spread == 0.0 });
            }
        }
    }

    #[test]
    fn one_unknown_input_alone_has_no_deviation_either() {
        for unknown in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut spread = Stdev::new(length(1));
            assert!(spread.update(unknown).is_nan());
            assert_eq!(spread.update(3.0), 0.0);
        }
    }
}
