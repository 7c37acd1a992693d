//! A function that looks back, at work: its kernel, over runs of bars.

use super::{
    functions::Back,
    kernels::{
        atr::{Atr, Natr, TrueRange},
        bollinger::{BbLower, BbMid, BbUpper, Stdev},
        cci::Cci,
        corr::Corr,
        day::{DayHigh, DayLow, DayOpen, DayVwap},
        dmi::{Adx, MinusDi, PlusDi},
        ema::Ema,
        extreme::{RollingHigh, RollingLow},
        keltner::{KcLower, KcMid, KcUpper},
        lag,
        length::Length,
        logic::{BarsSince, Count, Delay, Falling, Rising, ValueWhen},
        macd::{MacdHist, MacdLine, MacdSignal},
        mfi::Mfi,
        rank::Rank,
        returns::{LogReturn, Mom, Roc},
        rsi::Rsi,
        sma::Sma,
        stochastic::{StochD, StochK, WillR},
        supertrend::Supertrend,
        volatility::RealisedVolatility,
        vwma::Vwma,
        wma::{Hma, Wma},
        zscore::ZScore,
    },
    op::{Op, known},
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

/// A cross of two sides: whether it could begin one bar ago, unknown before the first bar.
#[derive(Debug, Clone)]
pub(super) struct Cross {
    could_begin: f64,
}

impl Cross {
    fn new() -> Self {
        Self { could_begin: f64::NAN }
    }

    #[inline]
    fn update(&mut self, a: f64, b: f64, now: Op, then: Op) -> f64 {
        let could_begin = std::mem::replace(&mut self.could_begin, then.of(a, b, 0.0));
        Op::And.of(now.of(a, b, 0.0), could_begin, 0.0)
    }
}

macro_rules! running {
    (
        number { $($number:ident($number_type:ty))* }
        bar { $($bar:ident($bar_type:ty))* }
        day { $($day:ident($day_type:ty))* }
        pair { $($pair:ident($pair_type:ty))* }
    ) => {
        /// The kernel of one call.
        #[derive(Debug, Clone)]
        pub(super) enum Running {
            $($number($number_type),)*
            $($bar($bar_type),)*
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
                    $(Self::$number(kernel) => each(out, a, |a| kernel.update(*a)),)*
                    $(Self::$bar(kernel) => each(out, bars, |bar| kernel.update(&bar.bar)),)*
                    $(Self::$day(kernel) => each(out, bars, |bar| kernel.update(bar.ts.ts_ms(), &bar.bar)),)*
                    $(Self::$pair(kernel) => pairs(out, a, b, |a, b| kernel.update(a, b)),)*
                    Self::Vwma(kernel) => {
                        for ((out, x), bar) in out.iter_mut().zip(a).zip(bars) {
                            *out = known(kernel.update(*x, bar.bar.volume()));
                        }
                    }
                    Self::VolumeZ(kernel) => each(out, bars, |bar| kernel.update(bar.bar.volume())),
                    Self::Volatility(kernel) => each(out, bars, |bar| kernel.update(bar.bar.close())),
                    Self::CrossesAbove(cross) => {
                        pairs(out, a, b, |a, b| cross.update(a, b, Op::Greater, Op::LessOrEqual));
                    }
                    Self::CrossesBelow(cross) => {
                        pairs(out, a, b, |a, b| cross.update(a, b, Op::Less, Op::GreaterOrEqual));
                    }
                }
            }
        }
    };
}

running! {
    number {
        Sma(Sma) Ema(Ema) Wma(Wma) Rma(Ema) Hma(Hma) Rsi(Rsi) Roc(Roc) Mom(Mom) LogReturn(LogReturn)
        Macd(MacdLine) MacdSignal(MacdSignal) MacdHist(MacdHist)
        Stdev(Stdev) BbUpper(BbUpper) BbMid(BbMid) BbLower(BbLower)
        Highest(RollingHigh) Lowest(RollingLow) Zscore(ZScore) Rank(Rank)
        Rising(Rising) Falling(Falling) CountOf(Count) BarsSince(BarsSince)
    }
    bar {
        StochK(StochK) StochD(StochD) Cci(Cci) Mfi(Mfi) Willr(WillR) Adx(Adx) PlusDi(PlusDi) MinusDi(MinusDi)
        Tr(TrueRange) Atr(Atr) Natr(Natr) KcUpper(KcUpper) KcMid(KcMid) KcLower(KcLower) Supertrend(Supertrend)
    }
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
            | Self::ValueWhen => lag::window(n),
            Self::Roc | Self::Mom | Self::LogReturn | Self::Rising | Self::Falling => {
                lag::change(n)
            }
            Self::Mfi | Self::Volatility => lag::change(n),
            Self::Ema | Self::KcMid => lag::ema(n),
            Self::Rma
            | Self::Rsi
            | Self::Atr
            | Self::Natr
            | Self::KcUpper
            | Self::KcLower
            | Self::Supertrend
            | Self::PlusDi
            | Self::MinusDi => lag::wilder(n),
            Self::Adx => lag::adx(n),
            Self::Hma => lag::hma(n),
            Self::StochK => lag::stoch_k(n, m),
            Self::StochD => lag::stoch_d(n, m, o),
            Self::Macd => lag::macd(m),
            Self::MacdSignal | Self::MacdHist => lag::macd_signal(m, o),
            Self::Tr => lag::TRUE_RANGE,
            Self::CrossesAbove | Self::CrossesBelow => lag::CROSSES,
            Self::DayOpen | Self::DayHigh | Self::DayLow | Self::DayVwap => {
                lag::day(timeframe.ms())
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
        each(out, x, |x| self.0.update(*x));
    }
}
