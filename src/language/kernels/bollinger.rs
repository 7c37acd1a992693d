//! Bollinger bands.

use super::{
    length::Length,
    window::{Moments, Window},
};

/// The bands at one close, in the unit of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bands {
    /// `middle - k sd`.
    pub lower: f64,
    /// The simple average.
    pub middle: f64,
    /// `middle + k sd`.
    pub upper: f64,
}

/// The simple average of the last `n` inputs, and `k` population standard deviations to both sides (TA-Lib `ta_BBANDS.c`).
#[derive(Debug, Clone)]
pub struct Bollinger {
    n: Length,
    k: f64,
    window: Window<Moments>,
}

impl Bollinger {
    /// Over `n` inputs, `k` standard deviations wide to each side.
    pub fn new(n: Length, k: f64) -> Self {
        Self { n, k, window: Window::new(n) }
    }

    /// Inputs until the first value.
    pub fn warm_up_bars(&self) -> u32 {
        self.n.get()
    }

    /// Takes in the next input; NaN until warm.
    #[inline]
    pub fn update(&mut self, x: f64) -> Bands {
        let Some(moments) = self.window.push(x) else {
            return Bands { lower: f64::NAN, middle: f64::NAN, upper: f64::NAN };
        };
        let middle = moments.mean;
        let half = self.k * moments.population_sd();
        Bands { lower: middle - half, middle, upper: middle + half }
    }
}

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
}

/// [`Bands::upper`] alone.
#[derive(Debug, Clone)]
pub struct BbUpper(Bollinger);

impl BbUpper {
    /// As [`Bollinger::new`].
    pub fn new(n: Length, k: f64) -> Self {
        Self(Bollinger::new(n, k))
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.0.update(x).upper
    }
}

/// [`Bands::middle`] alone: the simple average, exactly in the middle of the bands; its last digits may differ from those of
/// [`Sma`](super::sma::Sma), which sums in another way.
#[derive(Debug, Clone)]
pub struct BbMid(Bollinger);

impl BbMid {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self(Bollinger::new(n, 0.0))
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.0.update(x).middle
    }
}

/// [`Bands::lower`] alone.
#[derive(Debug, Clone)]
pub struct BbLower(Bollinger);

impl BbLower {
    /// As [`Bollinger::new`].
    pub fn new(n: Length, k: f64) -> Self {
        Self(Bollinger::new(n, k))
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.0.update(x).lower
    }
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
        let mut bollinger = Bollinger::new(length(6), 2.5);
        let warm_up = bollinger.warm_up_bars();
        let got: Vec<Bands> = closes().map(|x| bollinger.update(x)).collect();
        check(got.iter().map(|bands| bands.upper), warm_up, &upper);
        check(got.iter().map(|bands| bands.middle), warm_up, &middle);
        check(got.iter().map(|bands| bands.lower), warm_up, &lower);
    }

    #[test]
    fn without_spread_the_bands_lie_on_the_price() {
        for n in [1, 5] {
            let mut bollinger = Bollinger::new(length(n), 2.0);
            for _ in 1..n {
                bollinger.update(0.1);
            }
            for _ in 0..20 {
                assert_eq!(bollinger.update(0.1), Bands { lower: 0.1, middle: 0.1, upper: 0.1 });
            }
        }
    }
}
