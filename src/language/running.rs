//! A function that looks back, at work: its kernel, over runs of bars.

use super::{
    functions::Back,
    kernels::{
        among::{Corr, Rank, RollingHigh, RollingLow},
        averages::{Ema, Hma, Sma, Vwma, Wma},
        day::{DayHigh, DayLow, DayOpen, DayVwap},
        dmi::{Adx, MinusDi, PlusDi},
        logic::{BarsSince, Count, Delay, Falling, Rising, ValueWhen},
        oscillators::{Cci, MacdHist, MacdLine, MacdSignal, Mfi, Rsi, StochD, StochK, WillR},
        ranges::{Atr, KcLower, KcMid, KcUpper, Natr, Supertrend, TrueRange},
        spread::{BbLower, BbMid, BbUpper, LogReturn, Mom, RealisedVolatility, Roc, Stdev, ZScore},
        window::{self, Length},
    },
    op::known,
};
use crate::domain::{bar::TimedBar, time::Timeframe};

/// The numbers a function is called with that are known before the first bar. Those that it does not take may be any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub(super) lengths: [Length; 3],
    pub(super) factor: f64,
    /// Of the bars.
    pub(super) timeframe: Timeframe,
}

/// Whether a first input is now above a second one that it was not above before.
#[derive(Debug, Clone)]
pub(super) struct Cross {
    /// Whether it was above one bar ago, and whether it was not; neither before the first bar, and where it is unknown.
    before: [bool; 2],
}

impl Cross {
    fn new() -> Self {
        Self { before: [false; 2] }
    }

    fn run(&mut self, a: &[f64], b: &[f64], out: &mut [f64]) {
        let ([first_a, .., last_a] | [first_a @ last_a]) = a else { return };
        let ([first_b, .., last_b] | [first_b @ last_b]) = b else { return };
        out[0] = crossed(self.before, sides(*first_a, *first_b));
        // The bar before is looked at again, so that no bar waits for another one.
        let (before, next) = (a.iter().zip(b), a[1..].iter().zip(&b[1..]));
        for (out, (before, next)) in out[1..].iter_mut().zip(before.zip(next)) {
            *out = crossed(sides(*before.0, *before.1), sides(*next.0, *next.1));
        }
        self.before = sides(*last_a, *last_b);
    }
}

/// Whether one is above the other, and whether it is not. Of an unknown one neither is true.
#[inline]
fn sides(a: f64, b: f64) -> [bool; 2] {
    [a > b, a <= b]
}

#[inline]
// Without branches, so that several bars are worked on at once.
fn crossed([was_above, was_not]: [bool; 2], [is_above, is_not]: [bool; 2]) -> f64 {
    let known = if is_above & was_not { 1.0 } else { f64::NAN };
    if is_not | was_above { 0.0 } else { known }
}

macro_rules! running {
    (
        average { $($average:ident($average_type:ty))* }
        light { $($light:ident($light_type:ty))* }
        column { $($column:ident($column_type:ty))* }
        number { $($number:ident($number_type:ty))* }
        range { $($range:ident($range_type:ty))* }
        bar { $($bar:ident($bar_type:ty))* }
        window { $($window:ident($window_type:ty))* }
        day { $($day:ident($day_type:ty))* }
        pair { $($pair:ident($pair_type:ty))* }
    ) => {
        /// The kernel of one call.
        #[derive(Debug, Clone)]
        pub(super) enum Running {
            $($average($average_type),)*
            $($light($light_type),)*
            $($column($column_type),)*
            $($range($range_type),)*
            $($number($number_type),)*
            $($bar($bar_type),)*
            $($window($window_type),)*
            $($day($day_type),)*
            $($pair($pair_type),)*
            Vwma(Vwma),
            VolumeZ(ZScore),
            Volatility(RealisedVolatility),
            CrossesAbove(Cross),
            CrossesBelow(Cross),
        }

        impl Running {
            /// Takes in the next bars. The columns of the inputs are as long as `out` and `bars`.
            pub(super) fn run(&mut self, [a, b]: [&[f64]; 2], bars: &[TimedBar], out: &mut [f64]) {
                match self {
                    $(Self::$average(kernel) => {
                        out.copy_from_slice(a);
                        kernel.run(out);
                    })*
                    // A copy that nothing else can see stays in registers.
                    $(Self::$light(kernel) => {
                        let mut copy = kernel.clone();
                        each(out, a, |a| copy.update(*a));
                        *kernel = copy;
                    })*
                    $(Self::$range(kernel) => {
                        kernel.run(bars, out);
                        for x in out {
                            *x = known(*x);
                        }
                    })*
                    $(Self::$bar(kernel) => {
                        let mut copy = kernel.clone();
                        each(out, bars, |bar| copy.update(&bar.bar));
                        *kernel = copy;
                    })*
                    $(Self::$column(kernel) => {
                        kernel.run(a, out);
                        for x in out {
                            *x = known(*x);
                        }
                    })*
                    $(Self::$number(kernel) => each(out, a, |a| kernel.update(*a)),)*
                    $(Self::$window(kernel) => each(out, bars, |bar| kernel.update(&bar.bar)),)*
                    $(Self::$day(kernel) => each(out, bars, |bar| kernel.update(bar.ts.ts_ms(), &bar.bar)),)*
                    $(Self::$pair(kernel) => pairs(out, a, b, |a, b| kernel.update(a, b)),)*
                    Self::Vwma(kernel) => {
                        for ((out, x), bar) in out.iter_mut().zip(a).zip(bars) {
                            *out = known(kernel.update(*x, bar.bar.volume()));
                        }
                    }
                    Self::VolumeZ(kernel) => each(out, bars, |bar| kernel.update(bar.bar.volume())),
                    Self::Volatility(kernel) => each(out, bars, |bar| kernel.update(bar.bar.close())),
                    Self::CrossesAbove(cross) => cross.run(a, b, out),
                    Self::CrossesBelow(cross) => cross.run(b, a, out),
                }
            }
        }
    };
}

running! {
    average { Ema(Ema) Rma(Ema) }
    light {
        Rsi(Rsi) Macd(MacdLine) MacdSignal(MacdSignal) MacdHist(MacdHist)
        Rising(Rising) Falling(Falling) BarsSince(BarsSince)
    }
    column {
        Sma(Sma) Wma(Wma) Stdev(Stdev) BbUpper(BbUpper) BbMid(BbMid) BbLower(BbLower) Zscore(ZScore)
        Highest(RollingHigh) Lowest(RollingLow) Roc(Roc) Mom(Mom) LogReturn(LogReturn)
    }
    number { Hma(Hma) Rank(Rank) CountOf(Count) }
    range { Tr(TrueRange) Atr(Atr) Natr(Natr) }
    bar {
        KcUpper(KcUpper) KcMid(KcMid) KcLower(KcLower) Supertrend(Supertrend)
        Adx(Adx) PlusDi(PlusDi) MinusDi(MinusDi)
    }
    window { StochK(StochK) StochD(StochD) Cci(Cci) Mfi(Mfi) Willr(WillR) }
    day { DayOpen(DayOpen) DayHigh(DayHigh) DayLow(DayLow) DayVwap(DayVwap) }
    pair { Corr(Corr) ValueWhen(ValueWhen) }
}

fn each<T>(out: &mut [f64], inputs: &[T], mut update: impl FnMut(&T) -> f64) {
    for (out, input) in out.iter_mut().zip(inputs) {
        *out = known(update(input));
    }
}

fn pairs(out: &mut [f64], a: &[f64], b: &[f64], mut update: impl FnMut(f64, f64) -> f64) {
    for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
        *out = known(update(*a, *b));
    }
}

impl Back {
    /// Whether lengths fit together.
    pub(super) fn takes(self, lengths: &[Length]) -> bool {
        match (self, lengths) {
            (Self::Macd | Self::MacdSignal | Self::MacdHist, [fast, slow, ..]) => fast < slow,
            (Self::Volatility, [n]) => n.get() > 1,
            _ => true,
        }
    }

    /// Its kernel before the first bar; `None` where the lengths are none that it takes.
    pub(super) fn start(self, settings: Settings) -> Option<Running> {
        let Settings { lengths: [n, m, o], factor: k, timeframe } = settings;
        let tf_ms = timeframe.ms();
        Some(match self {
            Self::Sma => Running::Sma(Sma::new(n)),
            Self::Ema => Running::Ema(Ema::new(n)),
            Self::Wma => Running::Wma(Wma::new(n)),
            Self::Rma => Running::Rma(Ema::wilder(n)),
            Self::Hma => Running::Hma(Hma::new(n)),
            Self::Vwma => Running::Vwma(Vwma::new(n)),
            Self::Rsi => Running::Rsi(Rsi::new(n)),
            Self::StochK => Running::StochK(StochK::new(n, m)),
            Self::StochD => Running::StochD(StochD::new(n, m, o)),
            Self::Cci => Running::Cci(Cci::new(n)),
            Self::Mfi => Running::Mfi(Mfi::new(n)),
            Self::Willr => Running::Willr(WillR::new(n)),
            Self::Adx => Running::Adx(Adx::new(n)),
            Self::PlusDi => Running::PlusDi(PlusDi::new(n)),
            Self::MinusDi => Running::MinusDi(MinusDi::new(n)),
            Self::Roc => Running::Roc(Roc::new(n)),
            Self::Mom => Running::Mom(Mom::new(n)),
            Self::LogReturn => Running::LogReturn(LogReturn::new(n)),
            Self::Macd => Running::Macd(MacdLine::new(n, m)?),
            Self::MacdSignal => Running::MacdSignal(MacdSignal::new(n, m, o)?),
            Self::MacdHist => Running::MacdHist(MacdHist::new(n, m, o)?),
            Self::Tr => Running::Tr(TrueRange::new()),
            Self::Atr => Running::Atr(Atr::new(n)),
            Self::Natr => Running::Natr(Natr::new(n)),
            Self::Stdev => Running::Stdev(Stdev::new(n)),
            Self::BbUpper => Running::BbUpper(BbUpper::new(n, k)),
            Self::BbMid => Running::BbMid(BbMid::new(n)),
            Self::BbLower => Running::BbLower(BbLower::new(n, k)),
            Self::KcUpper => Running::KcUpper(KcUpper::new(n, k)),
            Self::KcMid => Running::KcMid(KcMid::new(n)),
            Self::KcLower => Running::KcLower(KcLower::new(n, k)),
            Self::Supertrend => Running::Supertrend(Supertrend::new(n, k)),
            Self::Highest => Running::Highest(RollingHigh::new(n)),
            Self::Lowest => Running::Lowest(RollingLow::new(n)),
            Self::Zscore => Running::Zscore(ZScore::new(n)),
            Self::VolumeZ => Running::VolumeZ(ZScore::new(n)),
            Self::Rank => Running::Rank(Rank::new(n)),
            Self::Corr => Running::Corr(Corr::new(n)),
            Self::Volatility => Running::Volatility(RealisedVolatility::new(n)?),
            Self::DayOpen => Running::DayOpen(DayOpen::new(tf_ms)),
            Self::DayHigh => Running::DayHigh(DayHigh::new(tf_ms)),
            Self::DayLow => Running::DayLow(DayLow::new(tf_ms)),
            Self::DayVwap => Running::DayVwap(DayVwap::new(tf_ms)),
            Self::CrossesAbove => Running::CrossesAbove(Cross::new()),
            Self::CrossesBelow => Running::CrossesBelow(Cross::new()),
            Self::Rising => Running::Rising(Rising::new(n)),
            Self::Falling => Running::Falling(Falling::new(n)),
            Self::CountOf => Running::CountOf(Count::new(n)),
            Self::BarsSince => Running::BarsSince(BarsSince::new(n)),
            Self::ValueWhen => Running::ValueWhen(ValueWhen::new(n)),
        })
    }

    /// Bars before the first of its own that it looks at, without those of its arguments.
    pub(super) fn lag(self, settings: Settings) -> u64 {
        let Settings { lengths: [n, m, o], timeframe, .. } = settings;
        match self {
            Self::Sma
            | Self::Wma
            | Self::Vwma
            | Self::Stdev
            | Self::BbUpper
            | Self::BbMid
            | Self::BbLower
            | Self::Highest
            | Self::Lowest
            | Self::Zscore
            | Self::Rank
            | Self::Corr
            | Self::VolumeZ
            | Self::Cci
            | Self::Willr
            | Self::CountOf
            | Self::BarsSince
            | Self::ValueWhen => window::window(n),
            Self::Roc | Self::Mom | Self::LogReturn | Self::Rising | Self::Falling => {
                window::change(n)
            }
            Self::Mfi | Self::Volatility => window::change(n),
            Self::Ema | Self::KcMid => window::ema(n),
            Self::Rma
            | Self::Rsi
            | Self::Atr
            | Self::Natr
            | Self::KcUpper
            | Self::KcLower
            | Self::Supertrend
            | Self::PlusDi
            | Self::MinusDi => window::wilder(n),
            Self::Adx => window::adx(n),
            Self::Hma => window::hma(n),
            Self::StochK => window::stoch_k(n, m),
            Self::StochD => window::stoch_d(n, m, o),
            Self::Macd => window::macd(m),
            Self::MacdSignal | Self::MacdHist => window::macd_signal(m, o),
            Self::Tr => window::TRUE_RANGE,
            Self::CrossesAbove | Self::CrossesBelow => window::CROSSES,
            Self::DayOpen | Self::DayHigh | Self::DayLow | Self::DayVwap => {
                window::day(timeframe.ms())
            }
        }
    }
}

/// `x[n]` at work.
#[derive(Debug, Clone)]
pub(super) struct Ago(Delay);

impl Ago {
    pub(super) fn new(n: Length) -> Self {
        Self(Delay::new(n))
    }

    pub(super) fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.0.run(x, out);
    }
}
