//! Returns and how far values spread: the standard deviation, Bollinger's bands, z-scores, realised volatility.

use super::{
    logic::Delay,
    window::{Length, Moments, SlidingWindow, zero_of},
};

/// The population standard deviation of the last `n` inputs, as in TA-Lib (`ta_STDDEV.c`); exactly 0 when they are equal.
#[derive(Debug, Clone)]
pub struct Stdev {
    window: SlidingWindow<Moments>,
}

impl Stdev {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { window: SlidingWindow::new(n) }
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
    window: SlidingWindow<Moments>,
}

impl BbUpper {
    /// Over `n` inputs, `k` standard deviations above the average.
    pub fn new(n: Length, k: f64) -> Self {
        Self { k, window: SlidingWindow::new(n) }
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
/// [`Sma`](super::averages::Sma), which sums in another way.
#[derive(Debug, Clone)]
pub struct BbMid {
    window: SlidingWindow<Moments>,
}

impl BbMid {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { window: SlidingWindow::new(n) }
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
    window: SlidingWindow<Moments>,
}

impl BbLower {
    /// Over `n` inputs, `k` standard deviations below the average.
    pub fn new(n: Length, k: f64) -> Self {
        Self { k, window: SlidingWindow::new(n) }
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

/// The newest input's distance from the mean of the last `n` inputs (itself included) in population standard deviations;
/// 0 when all of them are equal. Of the volume it is `volume_z`.
#[derive(Debug, Clone)]
pub struct ZScore {
    window: SlidingWindow<Moments>,
}

impl ZScore {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { window: SlidingWindow::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |moments| score(moments, x))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, score);
    }
}

#[inline]
fn score(moments: Moments, x: f64) -> f64 {
    let sd = moments.population_sd();
    if sd == 0.0 { 0.0 } else { (x - moments.mean) / sd }
}

/// The sample standard deviation (divisor n - 1) of the last `n` one-bar log returns, per bar, not annualised.
#[derive(Debug, Clone)]
pub struct RealisedVolatility {
    returns: LogReturn,
    window: SlidingWindow<Moments>,
}

impl RealisedVolatility {
    /// Over `n` returns; `None` for one, which has no spread.
    pub fn new(n: Length) -> Option<Self> {
        let one = Length::new(1)?;
        let returns = LogReturn::new(one);
        (n > one).then(|| Self { returns, window: SlidingWindow::new(n) })
    }

    /// Takes in the next price, which must be positive; NaN until warm.
    #[inline]
    pub fn update(&mut self, price: f64) -> f64 {
        let log_return = self.returns.update(price);
        if log_return.is_nan() {
            return f64::NAN;
        }
        self.window.push(log_return).map_or(f64::NAN, Moments::sample_sd)
    }
}

/// `100 (x - x_n) / x_n`, in per cent, from the input `n` bars ago to the newest one, as in TA-Lib (`ta_ROC.c`); 0 if that input
/// was 0, as there.
#[derive(Debug, Clone)]
pub struct Roc {
    delay: Delay,
}

impl Roc {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { delay: Delay::new(n) }
    }

    /// Takes in the next input; NaN until warm, unknown if one of the two is.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        change(x, self.delay.update(x))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.delay.run(x, out);
        for (out, x) in out.iter_mut().zip(x) {
            *out = change(*x, *out);
        }
    }
}

#[inline]
fn change(x: f64, before: f64) -> f64 {
    if before == 0.0 { zero_of(x) } else { 100.0 * ((x - before) / before) }
}

/// `x - x_n`, from the input `n` bars ago to the newest one, as in TA-Lib (`ta_MOM.c`).
#[derive(Debug, Clone)]
pub struct Mom {
    delay: Delay,
}

impl Mom {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { delay: Delay::new(n) }
    }

    /// Takes in the next input; NaN until warm, unknown if one of the two is.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        x - self.delay.update(x)
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.delay.run(x, out);
        for (out, x) in out.iter_mut().zip(x) {
            *out = x - *out;
        }
    }
}

/// `ln(x / x_n)`, from the input `n` bars ago to the newest one, the logarithm from `libm`. Unknown unless both are above 0.
#[derive(Debug, Clone)]
pub struct LogReturn {
    delay: Delay,
}

impl LogReturn {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { delay: Delay::new(n) }
    }

    /// Takes in the next input; NaN until warm, unknown if one of the two is.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        log_change(x, self.delay.update(x))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.delay.run(x, out);
        for (out, x) in out.iter_mut().zip(x) {
            *out = log_change(*x, *out);
        }
    }
}

#[inline]
fn log_change(x: f64, before: f64) -> f64 {
    if before > 0.0 && x > 0.0 { libm::log(x / before) } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, check, closes, length, outputs};

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

    #[test]
    fn it_agrees_with_numpy() {
        // NumPy 2.4.6: (v[i] - mean) / std(ddof=0) of v[i-5..=i].
        let expected = [
            2.0645903764594755,
            -0.5085494750013018,
            -0.533254624299792,
            -0.8932166658317132,
            -0.5646468947105484,
            0.054325950864714215,
            0.5175000375014176,
            2.208860920216032,
            -0.30461514056260103,
            -0.4437794952460352,
            -0.7238774352951639,
            -0.2819253859952995,
            -0.5643387133778349,
            -0.27197229258945793,
            -0.21534774800177173,
            -1.1278284885827068,
            0.8470357258269563,
            -0.9697808268869366,
            -0.264873978843338,
        ];
        let mut z = ZScore::new(length(6));
        check(bars().map(|bar| z.update(bar.volume())), 6, &expected);
    }

    #[test]
    fn equal_volumes_are_not_unusual() {
        for n in [1, 3] {
            let mut z = ZScore::new(length(n));
            for i in 1..20 {
                let got = z.update(0.1);
                assert!(if i < n { got.is_nan() } else { got == 0.0 }, "{n} {i} {got}");
            }
        }
    }

    #[test]
    fn it_agrees_with_numpy_and_pandas() {
        // NumPy 2.4.6: std(ddof=1) of five log returns; pandas 3.1.1 rolling(5).std() agrees to 4e-16.
        let expected = [
            0.053940948031501464,
            0.055033825680343665,
            0.05688674217167857,
            0.046571484878388636,
            0.04661286339172689,
            0.029244740650465458,
            0.028194448369942643,
            0.07355945383366773,
            0.07457800921579749,
            0.07254623263991138,
            0.06376057304390575,
            0.07243858001164633,
            0.027192717745973333,
            0.029902264888995653,
            0.021703870401825864,
            0.02201887583685856,
            0.025158485145763076,
            0.02500882026362065,
            0.023009930977907943,
        ];
        let mut volatility = RealisedVolatility::new(length(5)).unwrap();
        check(closes().map(|x| volatility.update(x)), 6, &expected);
    }

    #[test]
    fn a_market_at_rest_has_none() {
        let mut volatility = RealisedVolatility::new(length(2)).unwrap();
        let got = outputs((0..20).map(|_| volatility.update(0.1)), 3);
        assert!(got.iter().all(|x| *x == 0.0), "{got:?}");
    }

    #[test]
    fn one_return_has_no_spread() {
        assert!(RealisedVolatility::new(length(1)).is_none());
    }

    #[test]
    fn they_agree_with_ta_lib_and_numpy() {
        // TA-Lib 0.8.1: ROCP(close, 3), a hundredth of ROC. NumPy 2.4.6: log(close[i] / close[i-3]).
        let simple = [
            -0.037218413320274216,
            -0.028403525954946048,
            0.04022988505747115,
            0.09003051881993905,
            0.04889112903225801,
            -0.04189686924493552,
            -0.012132524498366881,
            0.06583373378183574,
            0.06054781355117729,
            -0.09683514407179972,
            -0.12623985572587917,
            -0.14680561848663334,
            -0.015167364016736283,
            0.015995872033023707,
            0.03823685608072219,
            0.07222517259691977,
            0.04824784154393093,
            0.05421994884910483,
            -0.010896483407627623,
            -0.03779069767441866,
            -0.012130033964095099,
        ];
        let log = [
            -0.037928698017498964,
            -0.028814710879792624,
            0.03944173205129662,
            0.08620569476646525,
            0.04773353854881627,
            -0.04279985466019161,
            -0.012206724338711969,
            0.06375734151667803,
            0.058785579863101886,
            -0.10185017752351856,
            -0.13494937545960078,
            -0.15876787759958386,
            -0.01528356495419402,
            0.015869286188414034,
            0.03752394376231373,
            0.06973608965568512,
            0.0471200479623278,
            0.05280110847099288,
            -0.010956284897022354,
            -0.03852328199633552,
            -0.012204203220045636,
        ];
        let (mut roc, mut log_return) = (Roc::new(length(3)), LogReturn::new(length(3)));
        check(closes().map(|x| roc.update(x) / 100.0), 4, &simple);
        check(closes().map(|x| log_return.update(x)), 4, &log);
    }

    #[test]
    fn constant_prices_return_nothing_and_huge_ones_stay_finite() {
        let (mut roc, mut log_return) = (Roc::new(length(1)), LogReturn::new(length(1)));
        for got in [
            outputs([0.1, 0.1, 0.1, 1e300].into_iter().map(|x| roc.update(x)), 2),
            outputs([0.1, 0.1, 0.1, 1e300].into_iter().map(|x| log_return.update(x)), 2),
        ] {
            assert_eq!(got[..2], [0.0, 0.0]);
            assert!(got[2].is_finite());
        }
    }

    #[test]
    fn what_has_no_return_is_zero_or_unknown() {
        let mut roc = Roc::new(length(1));
        assert_eq!([0.0, 5.0, 0.0, 0.0].map(|x| roc.update(x))[1..], [0.0, -100.0, 0.0]);
        assert!(roc.update(f64::NAN).is_nan() && roc.update(1.0).is_nan());
        assert_eq!(roc.update(0.5), -50.0);
        let mut log_return = LogReturn::new(length(1));
        let got = [-1.0, -2.0, 0.0, 3.0, 3.0].map(|x| log_return.update(x));
        assert!(got[..4].iter().all(|x| !x.is_finite()), "{got:?}");
        assert_eq!(got[4], 0.0);
    }
}
