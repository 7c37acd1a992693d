//! What is made of the true range: its average, Keltner's channel, the supertrend line.

use super::{super::values::Price, averages::Ema, window::Length};
use crate::domain::bar::{Bar, TimedBar};

/// The part of the price axis from the previous close to both ends of the bar, in quote currency (TA-Lib `ta_TRANGE.c`). The first
/// bar has no previous close and gives NaN.
#[derive(Debug, Clone, Default)]
pub struct TrueRange {
    last_close: Option<f64>,
}

impl TrueRange {
    /// Has seen no bar.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next bar; NaN for the first one.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.last_close.replace(bar.close()).map_or(f64::NAN, |last| range(last, bar))
    }

    /// The same for bars that follow each other.
    pub fn run(&mut self, bars: &[TimedBar], out: &mut [f64]) {
        let ([first, .., last] | [first @ last]) = bars else { return };
        out[0] = self.update(&first.bar);
        let pairs = bars.iter().zip(&bars[1..]);
        for (out, (before, bar)) in out[1..].iter_mut().zip(pairs) {
            *out = range(before.bar.close(), &bar.bar);
        }
        self.last_close = Some(last.bar.close());
    }
}

#[inline]
fn range(last: f64, bar: &Bar) -> f64 {
    // Plain comparisons: both numbers are finite, and `f64::max` would check for NaN again.
    let top = if bar.high() > last { bar.high() } else { last };
    let bottom = if bar.low() < last { bar.low() } else { last };
    top - bottom
}

/// Wilder's ATR in quote currency, as in TA-Lib (`ta_ATR.c`): the average of the [`TrueRange`]; its first value is the mean of the first `n`.
#[derive(Debug, Clone)]
pub struct Atr {
    range: TrueRange,
    average: Ema,
}

impl Atr {
    /// Over `n` true ranges.
    pub fn new(n: Length) -> Self {
        Self { range: TrueRange::new(), average: Ema::wilder(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        // The first bar gives NaN, which an average does not take in.
        self.average.update(self.range.update(bar))
    }

    /// The same for bars that follow each other.
    pub fn run(&mut self, bars: &[TimedBar], out: &mut [f64]) {
        self.range.run(bars, out);
        self.average.run(out);
    }
}

/// The ATR in per cent of the close, as in TA-Lib (`ta_NATR.c`).
///
/// One difference: `n` = 1 is in per cent too; TA-Lib's is not.
#[derive(Debug, Clone)]
pub struct Natr {
    atr: Atr,
}

impl Natr {
    /// Over `n` true ranges.
    pub fn new(n: Length) -> Self {
        Self { atr: Atr::new(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        100.0 * (self.atr.update(bar) / bar.close())
    }

    /// The same for bars that follow each other.
    pub fn run(&mut self, bars: &[TimedBar], out: &mut [f64]) {
        self.atr.run(bars, out);
        for (out, bar) in out.iter_mut().zip(bars) {
            *out = 100.0 * (*out / bar.bar.close());
        }
    }
}

/// The middle of the channel, as in TA-Lib (`ta_KC.c`): the EMA of `n` typical prices (`hlc3`). Like the ATR it begins with the second
/// bar, the first one that has a true range.
#[derive(Debug, Clone)]
pub struct KcMid {
    average: Ema,
    has_begun: bool,
}

impl KcMid {
    /// Over `n` bars.
    pub fn new(n: Length) -> Self {
        Self { average: Ema::new(n), has_begun: false }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        if !std::mem::replace(&mut self.has_begun, true) {
            return f64::NAN;
        }
        self.average.update(Price::Hlc3.of(bar))
    }
}

/// The upper end of the channel, as in TA-Lib with one length for both averages: the middle plus `k` ATRs of `n`.
#[derive(Debug, Clone)]
pub struct KcUpper {
    middle: KcMid,
    atr: Atr,
    k: f64,
}

impl KcUpper {
    /// Over `n` bars, `k` ATRs above the middle.
    pub fn new(n: Length, k: f64) -> Self {
        Self { middle: KcMid::new(n), atr: Atr::new(n), k }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.middle.update(bar) + self.k * self.atr.update(bar)
    }
}

/// The lower end of the channel, as in TA-Lib with one length for both averages: the middle minus `k` ATRs of `n`.
#[derive(Debug, Clone)]
pub struct KcLower {
    middle: KcMid,
    atr: Atr,
    k: f64,
}

impl KcLower {
    /// Over `n` bars, `k` ATRs below the middle.
    pub fn new(n: Length, k: f64) -> Self {
        Self { middle: KcMid::new(n), atr: Atr::new(n), k }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.middle.update(bar) - self.k * self.atr.update(bar)
    }
}

/// What is carried from bar to bar.
#[derive(Debug, Clone, Copy)]
struct State {
    upper: f64,
    lower: f64,
    rising: bool,
    close: f64,
}

/// The line that follows the price at `k` ATRs of `n` from the middle of the bar, as in TA-Lib (`ta_SUPERTREND.c`): below the price
/// while the trend is up, above while it is down. A band only moves towards the price until a close is beyond it; a close beyond
/// the band in use turns the trend.
///
/// The first trend is up, as there. Where the line is depends on where it began, beyond any warm-up, until the trend turns.
#[derive(Debug, Clone)]
pub struct Supertrend {
    atr: Atr,
    k: f64,
    state: Option<State>,
}

impl Supertrend {
    /// At `k` ATRs of `n`.
    pub fn new(n: Length, k: f64) -> Self {
        Self { atr: Atr::new(n), k, state: None }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        let atr = self.atr.update(bar);
        if atr.is_nan() {
            return f64::NAN;
        }
        let middle = 0.5 * (bar.high() + bar.low());
        let (top, bottom, close) = (middle + self.k * atr, middle - self.k * atr, bar.close());
        let next = match self.state {
            None => State { upper: top, lower: bottom, rising: true, close },
            Some(last) => {
                let free = top < last.upper || last.close > last.upper;
                let upper = if free { top } else { last.upper };
                let free = bottom > last.lower || last.close < last.lower;
                let lower = if free { bottom } else { last.lower };
                let rising = if last.rising { close >= lower } else { close > upper };
                State { upper, lower, rising, close }
            }
        };
        self.state = Some(next);
        if next.rising { next.lower } else { next.upper }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{bars, check, length, outputs};

    #[test]
    fn it_agrees_with_ta_lib() {
        // TA-Lib 0.8.1: ATR(high, low, close, 5) and ATR(high, low, close, 1).
        let of_5 = [
            4.600000000000003,
            4.030000000000003,
            4.044000000000004,
            3.3652000000000015,
            3.192160000000001,
            3.7437280000000017,
            3.414982400000003,
            5.831985920000002,
            5.095588736,
            4.7864709888,
            4.0891767910400025,
            4.231341432832002,
            3.675073146265602,
            3.6900585170124818,
            3.542046813609986,
            2.9236374508879894,
            3.2889099607103915,
            2.8111279685683144,
            2.8789023748546496,
        ];
        let of_1 = [
            0.0,
            3.1500000000000057,
            6.8500000000000085,
            2.8500000000000085,
            10.149999999999991,
            1.75,
            4.1000000000000085,
            0.6499999999999915,
            2.5,
            5.950000000000003,
            2.1000000000000085,
            15.5,
            2.1499999999999915,
            3.549999999999997,
            1.3000000000000114,
            4.799999999999997,
            1.4500000000000028,
            3.75,
            2.950000000000003,
            0.45000000000000284,
            4.75,
            0.9000000000000057,
            3.1499999999999915,
        ];
        for (n, expected) in [(5, &of_5[..]), (1, &of_1[..])] {
            let mut atr = Atr::new(length(n));
            check(bars().map(|bar| atr.update(&bar)), n + 1, expected);
        }
    }

    #[test]
    fn constant_prices_have_no_range() {
        let mut atr = Atr::new(length(3));
        let bar = Bar::new([27.5, 27.5, 27.5, 27.5, 0.0]).unwrap();
        let got = outputs((0..20).map(|_| atr.update(&bar)), 4);
        assert!(got.iter().all(|x| *x == 0.0), "{got:?}");
    }

    #[test]
    fn huge_prices_stay_finite() {
        let mut atr = Atr::new(length(2));
        let bar = Bar::new([1e11, 1e12, 1.0, 1e11, 0.0]).unwrap();
        let got = outputs((0..20).map(|_| atr.update(&bar)), 3);
        assert!(got.iter().all(|x| *x == 1e12 - 1.0), "{got:?}");
    }

    #[test]
    fn the_channel_is_as_wide_as_the_range() {
        let n = length(4);
        let (mut upper, mut middle, mut lower) =
            (KcUpper::new(n, 1.5), KcMid::new(n), KcLower::new(n, 1.5));
        let mut atr = Atr::new(n);
        for (i, bar) in bars().enumerate() {
            let (upper, lower) = (upper.update(&bar), lower.update(&bar));
            let (middle, atr) = (middle.update(&bar), atr.update(&bar));
            assert_eq!([middle, upper, lower].map(f64::is_nan), [i < 4; 3]);
            if i >= 4 {
                assert!((upper - lower - 3.0 * atr).abs() < 1e-12, "{upper} {lower} {atr}");
                assert!((0.5 * (upper + lower) - middle).abs() < 1e-12, "{upper} {lower} {middle}");
            }
        }
    }

    fn bar(close: f64) -> Bar {
        Bar::new([close, close + 1.0, close - 1.0, close, 1.0]).unwrap()
    }

    #[test]
    fn the_line_follows_waits_and_turns() {
        // By hand, n = 1, k = 1: true ranges 2, 2, 3 (from 20 down to 17 - 1 = 4), ...
        // 20 (range 2): 18..22, up: 18.  21 (range 2): 19..23: 19.  20 (range 2): 18..22, the lower band waits: 19.
        // 16 (range 20 - 15 = 5): 11..21, lower waits at 19, close below: down, upper is 21.
        // 15 (range 2): upper 17, lower was closed below and is free: 13; down: 17.
        // 19 (range 20 - 15 = 5): upper waits at 17, close above: up; lower 14.
        let bars = [20.0, 20.0, 21.0, 20.0, 16.0, 15.0, 19.0].map(bar);
        let mut line = Supertrend::new(length(1), 1.0);
        let got = bars.iter().map(|bar| line.update(bar));
        check(got, 2, &[18.0, 19.0, 19.0, 21.0, 17.0, 14.0]);
    }

    #[test]
    fn a_dead_market_has_its_line_on_the_price() {
        let dead = Bar::new([5.0, 5.0, 5.0, 5.0, 0.0]).unwrap();
        let mut line = Supertrend::new(length(3), 2.0);
        check((0..20).map(|_| line.update(&dead)), 4, &[5.0; 17]);
    }
}
