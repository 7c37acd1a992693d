//! Oscillators: RSI, CCI, the money flow index, the stochastic with Williams' %R, MACD.

use super::{
    among::{RollingHigh, RollingLow},
    averages::{Ema, Sma},
    window::{Length, Merge, Moments, ROUNDING, SlidingWindow},
};
use crate::domain::bar::Bar;

/// Wilder's RSI, 0 to 100: the share of the gains in the averaged gains and losses, as in TA-Lib (`ta_RSI.c`).
///
/// One difference: when there was no movement at all the value is 50, not 0. TA-Lib's 0 reads as "heavily sold" and would
/// make a mean-reversion rule buy a dead market.
///
/// An unknown input (NaN or infinite) is not taken in: NaN for that bar, and the next change is from the last known input.
#[derive(Debug, Clone)]
pub struct Rsi {
    last: Option<f64>,
    gain: Ema,
    loss: Ema,
}

impl Rsi {
    /// Over `n` changes.
    pub fn new(n: Length) -> Self {
        Self { last: None, gain: Ema::wilder(n), loss: Ema::wilder(n) }
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, close: f64) -> f64 {
        if !close.is_finite() {
            return f64::NAN;
        }
        let Some(last) = self.last.replace(close) else { return f64::NAN };
        let change = close - last;
        // Two choices of a number and not one branch: which way a price goes cannot be foreseen.
        let up = if change > 0.0 { change } else { 0.0 };
        let down = if change > 0.0 { 0.0 } else { 0.0 - change };
        let gain = self.gain.update(up);
        let both = gain + self.loss.update(down);
        if both == 0.0 { 50.0 } else { 100.0 * (gain / both) }
    }
}

/// How far the typical price (`hlc3`) is from its mean over `n` bars, in units of 0.015 mean absolute deviations, as in TA-Lib
/// (`ta_CCI.c`); 0 when all `n` are equal but for rounding. The cost per bar grows with `n`.
#[derive(Debug, Clone)]
pub struct Cci {
    n: Length,
    /// Its mean of equal values is exactly that value.
    window: SlidingWindow<Moments>,
    prices: Box<[f64]>,
    at: usize,
}

impl Cci {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        let prices = vec![0.0; n.get() as usize].into_boxed_slice();
        Self { n, window: SlidingWindow::new(n), prices, at: 0 }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        let price = (bar.high() + bar.low() + bar.close()) / 3.0;
        self.prices[self.at] = price;
        self.at = if self.at + 1 == self.prices.len() { 0 } else { self.at + 1 };
        let Some(moments) = self.window.push(price) else { return f64::NAN };
        let mean = moments.mean;
        let deviation = self.prices.iter().map(|x| (x - mean).abs()).sum::<f64>() / self.n.float();
        if deviation <= ROUNDING * mean { 0.0 } else { (price - mean) / (0.015 * deviation) }
    }
}

/// What was traded at rising and at falling prices.
#[derive(Debug, Clone, Copy)]
struct Flow {
    up: f64,
    down: f64,
}

impl Merge for Flow {
    /// What was traded; negative at a falling price.
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        if value > 0.0 {
            Self { up: value, down: 0.0 }
        } else {
            Self { up: 0.0, down: 0.0 - value }
        }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        Self { up: older.up + newer.up, down: older.down + newer.down }
    }
}

/// The share of the value traded at rising typical prices (`hlc3`) in that at rising and falling ones, 0 to 100, over the last
/// `n` changes, as in TA-Lib (`ta_MFI.c`).
///
/// Prices that only rounding parts are equal, as there. One difference: without any flow it is 50, not 0.
#[derive(Debug, Clone)]
pub struct Mfi {
    last_price: Option<f64>,
    window: SlidingWindow<Flow>,
}

impl Mfi {
    /// Over `n` changes.
    pub fn new(n: Length) -> Self {
        Self { last_price: None, window: SlidingWindow::new(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        let price = (bar.high() + bar.low() + bar.close()) / 3.0;
        let Some(last) = self.last_price.replace(price) else { return f64::NAN };
        let (change, traded) = (price - last, price * bar.volume());
        let flow =
            if change.abs() <= ROUNDING * (price + last) { 0.0 } else { traded.copysign(change) };
        let Some(Flow { up, down }) = self.window.push(flow) else { return f64::NAN };
        let both = up + down;
        if both == 0.0 { 50.0 } else { 100.0 * (up / both) }
    }
}

/// The highest high and the lowest low of the last `n` bars.
#[derive(Debug, Clone)]
struct Range {
    high: RollingHigh,
    low: RollingLow,
}

impl Range {
    fn new(n: Length) -> Self {
        Self { high: RollingHigh::new(n), low: RollingLow::new(n) }
    }

    /// The share of the range below the close, 0 to 1; one half of an empty range.
    #[inline]
    fn update(&mut self, bar: &Bar) -> f64 {
        let (high, low) = (self.high.update(bar.high()), self.low.update(bar.low()));
        if high == low { 0.5 } else { (bar.close() - low) / (high - low) }
    }
}

/// The stochastic %K, 0 to 100, as in TA-Lib (`ta_STOCH.c`, simple averages): the mean of the last `smooth` places of the close
/// in the range of `n` bars.
///
/// One difference: the place in an empty range is 50, not 0, which would read as "heavily sold".
#[derive(Debug, Clone)]
pub struct StochK {
    range: Range,
    smooth: Sma,
}

impl StochK {
    /// Over `n` bars; `smooth` = 1 is the fast stochastic.
    pub fn new(n: Length, smooth: Length) -> Self {
        Self { range: Range::new(n), smooth: Sma::new(smooth) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.smooth.update(100.0 * self.range.update(bar))
    }
}

/// The stochastic %D, 0 to 100: the mean of the last `d` values of [`StochK`].
#[derive(Debug, Clone)]
pub struct StochD {
    k: StochK,
    smooth: Sma,
}

impl StochD {
    /// The mean of `d` values of [`StochK::new`].
    pub fn new(n: Length, smooth: Length, d: Length) -> Self {
        Self { k: StochK::new(n, smooth), smooth: Sma::new(d) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.smooth.update(self.k.update(bar))
    }
}

/// Williams' %R, -100 (close at the low of `n` bars) to 0 (at the high), as in TA-Lib (`ta_WILLR.c`).
///
/// One difference: an empty range is -50, not 0.
#[derive(Debug, Clone)]
pub struct WillR {
    range: Range,
}

impl WillR {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { range: Range::new(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        100.0 * self.range.update(bar) - 100.0
    }
}

/// The difference of two EMAs, as in TA-Lib (`ta_MACD.c`): the fast average skips the first `slow - fast` inputs, so that both
/// give their first value at the same bar.
///
/// An unknown input (NaN or infinite) is not taken in: NaN for that bar. That also goes for the two below.
#[derive(Debug, Clone)]
pub struct MacdLine {
    fast: Ema,
    slow: Ema,
    /// Inputs the fast average has still to skip.
    to_skip: u32,
}

impl MacdLine {
    /// `None` unless `fast` is shorter than `slow`.
    pub fn new(fast: Length, slow: Length) -> Option<Self> {
        let to_skip = slow.get().checked_sub(fast.get()).filter(|more| *more > 0)?;
        let [fast, slow] = [fast, slow].map(Ema::new);
        Some(Self { fast, slow, to_skip })
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        if !x.is_finite() {
            return f64::NAN;
        }
        let slow = self.slow.update(x);
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return f64::NAN;
        }
        self.fast.update(x) - slow
    }
}

/// The EMA of a [`MacdLine`].
#[derive(Debug, Clone)]
pub struct MacdSignal {
    line: MacdLine,
    signal: Ema,
}

impl MacdSignal {
    /// `None` unless `fast` is shorter than `slow`.
    pub fn new(fast: Length, slow: Length, signal: Length) -> Option<Self> {
        Some(Self { line: MacdLine::new(fast, slow)?, signal: Ema::new(signal) })
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.signal.update(self.line.update(x))
    }
}

/// A [`MacdLine`] minus its EMA.
#[derive(Debug, Clone)]
pub struct MacdHist {
    line: MacdLine,
    signal: Ema,
}

impl MacdHist {
    /// `None` unless `fast` is shorter than `slow`.
    pub fn new(fast: Length, slow: Length, signal: Length) -> Option<Self> {
        Some(Self { line: MacdLine::new(fast, slow)?, signal: Ema::new(signal) })
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        let line = self.line.update(x);
        line - self.signal.update(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, check, closes, length, outputs};

    #[test]
    fn it_agrees_with_ta_lib() {
        // TA-Lib 0.8.1: RSI(close, 5).
        let expected = [
            67.37967914438501,
            61.42595978062161,
            49.69189055952674,
            49.69189055952674,
            57.12297471179853,
            71.75456065977528,
            68.56906997930287,
            27.55751540538734,
            32.03587582234969,
            27.534883222584877,
            27.534883222584877,
            46.05293540646038,
            43.776541808707485,
            56.15956851238182,
            63.269681495287614,
            62.42598577712014,
            46.050525397085266,
            43.59369854358876,
            56.714717184721906,
        ];
        let mut rsi = Rsi::new(length(5));
        check(closes().map(|x| rsi.update(x)), 6, &expected);
    }

    #[test]
    fn no_movement_is_neutral() {
        let mut rsi = Rsi::new(length(3));
        let got = outputs(std::iter::repeat_n(27.5, 50).map(|x| rsi.update(x)), 4);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
    }

    #[test]
    fn one_way_markets_give_the_ends_of_the_scale() {
        for n in [1, 3] {
            let (mut up, mut down) = (Rsi::new(length(n)), Rsi::new(length(n)));
            for i in 1..20 {
                let (rising, falling) = (up.update(f64::from(i)), down.update(f64::from(100 - i)));
                let warm = i > n as i32;
                assert_eq!((rising == 100.0, falling == 0.0), (warm, warm));
            }
        }
    }

    #[test]
    fn huge_prices_stay_on_the_scale() {
        let mut rsi = Rsi::new(length(2));
        let got = outputs([1.0, 1e300, 2.0, 1e300, 1e299].into_iter().map(|x| rsi.update(x)), 3);
        assert!(got.iter().all(|x| (0.0..=100.0).contains(x)), "{got:?}");
    }

    #[test]
    fn it_counts_mean_deviations() {
        // By hand: prices 1, 2, 6: mean 3, mean deviation 2, (6 - 3) / (0.015 x 2) = 100.
        let mut cci = Cci::new(length(3));
        let bars = [1.0, 2.0, 6.0].map(|x| Bar::new([x, x, x, x, 0.0]).unwrap());
        check(bars.iter().map(|bar| cci.update(bar)), 3, &[100.0]);
    }

    #[test]
    fn equal_prices_are_on_their_mean() {
        for n in [1, 7] {
            let mut cci = Cci::new(length(n));
            let bar = Bar::new([0.1, 0.1, 0.1, 0.1, 0.0]).unwrap();
            let got = outputs((0..50).map(|_| cci.update(&bar)), n);
            assert!(got.iter().all(|x| *x == 0.0), "{got:?}");
        }
    }

    #[test]
    fn sums_that_differ_in_the_last_bit_are_equal() {
        // 99 + 94.85 + 95.6 = 97.35 + 95.2 + 96.9 in decimals.
        let bars = [[96.0, 99.0, 94.85, 95.6, 1.0], [96.0, 97.35, 95.2, 96.9, 1.0]];
        let bars = bars.map(|values| Bar::new(values).unwrap());
        let mut cci = Cci::new(length(4));
        check((0..20).map(|i| cci.update(&bars[i % 2])), 4, &[0.0; 17]);
    }

    fn bar(price: f64, volume: f64) -> Bar {
        Bar::new([price, price, price, price, volume]).unwrap()
    }

    #[test]
    fn it_is_the_share_of_what_was_traded_at_rising_prices() {
        // By hand: + 2 x 3, - 1 x 6 (50 %), 0 of 1 (equal price), + 4 x 1: 100 x 4 / 4.
        let bars = [bar(1.0, 9.0), bar(2.0, 3.0), bar(1.0, 6.0), bar(1.0, 5.0), bar(4.0, 1.0)];
        let mut mfi = Mfi::new(length(2));
        check(bars.iter().map(|bar| mfi.update(bar)), 3, &[50.0, 0.0, 100.0]);
    }

    #[test]
    fn no_flow_is_neutral_and_a_small_one_counts() {
        let mut mfi = Mfi::new(length(2));
        let got = outputs((1..20).map(|i| mfi.update(&bar(f64::from(i), 0.0))), 3);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
        let mut mfi = Mfi::new(length(2));
        let got = outputs((1..20).map(|i| mfi.update(&bar(f64::from(i) * 1e-9, 1e-9))), 3);
        assert!(got.iter().all(|x| *x == 100.0), "{got:?}");
    }

    #[test]
    fn an_empty_range_has_its_close_in_the_middle() {
        let bar = Bar::new([0.1, 0.1, 0.1, 0.1, 1.0]).unwrap();
        let mut k = StochK::new(length(3), length(2));
        let mut d = StochD::new(length(3), length(2), length(2));
        let mut r = WillR::new(length(3));
        let got = outputs((0..20).map(|_| k.update(&bar)), 4);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
        let got = outputs((0..20).map(|_| d.update(&bar)), 5);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
        let got = outputs((0..20).map(|_| r.update(&bar)), 3);
        assert!(got.iter().all(|x| *x == -50.0), "{got:?}");
    }

    #[test]
    fn all_stay_on_their_scale() {
        let mut k = StochK::new(length(1), length(1));
        let mut r = WillR::new(length(1));
        for bar in bars() {
            let (k, r) = (k.update(&bar), r.update(&bar));
            assert!((0.0..=100.0).contains(&k) && (-100.0..=0.0).contains(&r), "{k} {r}");
        }
    }

    #[test]
    fn it_agrees_with_ta_lib_of_macd() {
        // TA-Lib 0.8.1: MACD(close, 4, 9, 3).
        let macd = [
            2.664722222222224,
            2.619677777777767,
            -0.5615177777777944,
            -1.783570222222238,
            -2.7774697777777817,
            -3.0323439822222156,
            -2.0520960817777762,
            -1.5574094030222199,
            -0.5553670449777712,
            0.4200426504817756,
            0.8246358922638279,
            0.3128697769381006,
            -0.0678075405732983,
            0.2548919502670941,
        ];
        let signal = [
            2.461574074074084,
            2.5406259259259256,
            0.9895540740740656,
            -0.3970080740740862,
            -1.587238925925934,
            -2.309791454074075,
            -2.1809437679259256,
            -1.8691765854740727,
            -1.212271815225922,
            -0.3961145823720732,
            0.21426065494587732,
            0.26356521594198895,
            0.09787883768434533,
            0.17638539397571973,
        ];
        let histogram = [
            0.20314814814814008,
            0.07905185185184127,
            -1.55107185185186,
            -1.3865621481481518,
            -1.1902308518518476,
            -0.7225525281481406,
            0.12884768614814934,
            0.31176718245185286,
            0.6569047702481507,
            0.8161572328538488,
            0.6103752373179506,
            0.049304560996111635,
            -0.16568637825764362,
            0.07850655629137437,
        ];
        let [fast, slow, of] = [4, 9, 3].map(length);
        let mut line = MacdLine::new(fast, slow).unwrap();
        let mut average = MacdSignal::new(fast, slow, of).unwrap();
        let mut rest = MacdHist::new(fast, slow, of).unwrap();
        let got = outputs(closes().map(|x| line.update(x)), 9);
        check(got[2..].iter().copied(), 1, &macd);
        check(closes().map(|x| average.update(x)), 11, &signal);
        check(closes().map(|x| rest.update(x)), 11, &histogram);
    }

    #[test]
    fn constant_inputs_give_zero() {
        let [one, two] = [1, 2].map(length);
        let mut line = MacdLine::new(one, two).unwrap();
        let mut rest = MacdHist::new(one, two, one).unwrap();
        assert!(line.update(0.1).is_nan() && rest.update(0.1).is_nan());
        for _ in 0..20 {
            assert_eq!((line.update(0.1), rest.update(0.1)), (0.0, 0.0));
        }
    }

    #[test]
    fn an_unknown_input_is_not_taken_in() {
        let [fast, slow, of] = [2, 5, 3].map(length);
        let mut plain = MacdHist::new(fast, slow, of).unwrap();
        let mut holed = plain.clone();
        for x in closes() {
            assert!(holed.update(f64::NAN).is_nan() && holed.update(f64::INFINITY).is_nan());
            let (plain, holed) = (plain.update(x), holed.update(x));
            assert!(plain == holed || plain.is_nan() && holed.is_nan());
        }
    }

    #[test]
    fn the_fast_average_must_be_the_faster_one() {
        assert!(MacdLine::new(length(9), length(9)).is_none());
        assert!(MacdHist::new(length(12), length(9), length(3)).is_none());
    }
}
