//! Runs a kernel over a whole series, by the name its function has in the rule language.

use super::naive::Market;
use crate::language::kernels::{
    atr, bollinger, cci, corr, day, dmi, ema, extreme, keltner, length::Length, logic, macd, mfi,
    rank, returns, rsi, sample, sma, stochastic, supertrend, volatility, vwma, wma, zscore,
};

/// A function's arguments.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) market: &'a Market,
    pub(super) args: &'a [&'a [f64]],
    pub(super) lengths: &'a [u32],
    pub(super) k: f64,
}

impl Call<'_> {
    fn n(&self, i: usize) -> Length {
        sample::length(self.lengths[i])
    }

    fn over<K>(&self, mut kernel: K, one: impl Fn(&mut K, usize) -> f64) -> Vec<f64> {
        (0..self.market.bars.len()).map(|i| one(&mut kernel, i)).collect()
    }
}

/// A kernel that takes a number, or a bar, at each bar.
macro_rules! on {
    (x, $call:ident, $kernel:expr) => {
        $call.over($kernel, |kernel, i| kernel.update($call.args[0][i]))
    };
    (bar, $call:ident, $kernel:expr) => {
        $call.over($kernel, |kernel, i| kernel.update(&$call.market.bars[i]))
    };
    (day, $call:ident, $kernel:expr) => {
        $call.over($kernel, |kernel, i| {
            kernel.update($call.market.closes_ms[i], &$call.market.bars[i])
        })
    };
}

/// What the kernel gives at each bar.
pub(super) fn run(call: &Call) -> Vec<f64> {
    let n = || call.n(0);
    match call.name {
        "sma" => on!(x, call, sma::Sma::new(n())),
        "ema" => on!(x, call, ema::Ema::new(n())),
        "rma" => on!(x, call, ema::Ema::wilder(n())),
        "wma" => on!(x, call, wma::Wma::new(n())),
        "hma" => on!(x, call, wma::Hma::new(n())),
        "vwma" => call.over(vwma::Vwma::new(n()), |kernel, i| {
            kernel.update(call.args[0][i], call.market.bars[i].volume())
        }),
        "rsi" => on!(x, call, rsi::Rsi::new(n())),
        "roc" => on!(x, call, returns::Roc::new(n())),
        "mom" => on!(x, call, returns::Mom::new(n())),
        "log_return" => on!(x, call, returns::LogReturn::new(n())),
        "macd" => on!(x, call, macd::MacdLine::new(n(), call.n(1)).unwrap()),
        "macd_signal" => {
            on!(x, call, macd::MacdSignal::new(n(), call.n(1), call.n(2)).unwrap())
        }
        "macd_hist" => on!(x, call, macd::MacdHist::new(n(), call.n(1), call.n(2)).unwrap()),
        "stdev" => on!(x, call, bollinger::Stdev::new(n())),
        "bb_upper" => on!(x, call, bollinger::BbUpper::new(n(), call.k)),
        "bb_mid" => on!(x, call, bollinger::BbMid::new(n())),
        "bb_lower" => on!(x, call, bollinger::BbLower::new(n(), call.k)),
        "highest" => on!(x, call, extreme::RollingHigh::new(n())),
        "lowest" => on!(x, call, extreme::RollingLow::new(n())),
        "zscore" => on!(x, call, zscore::ZScore::new(n())),
        "rank" => on!(x, call, rank::Rank::new(n())),
        "rising" => on!(x, call, logic::Rising::new(n())),
        "falling" => on!(x, call, logic::Falling::new(n())),
        "count" => on!(x, call, logic::Count::new(n())),
        "bars_since" => on!(x, call, logic::BarsSince::new(n())),
        "delay" => on!(x, call, logic::Delay::new(n())),
        "value_when" => call.over(logic::ValueWhen::new(n()), |kernel, i| {
            kernel.update(call.args[0][i], call.args[1][i])
        }),
        "corr" => call.over(corr::Corr::new(n()), |kernel, i| {
            kernel.update(call.args[0][i], call.args[1][i])
        }),
        name => on_bars(name, call),
    }
}

fn on_bars(name: &str, call: &Call) -> Vec<f64> {
    let n = || call.n(0);
    let timeframe_ms = call.market.timeframe_ms;
    match name {
        "stoch_k" => on!(bar, call, stochastic::StochK::new(n(), call.n(1))),
        "stoch_d" => on!(bar, call, stochastic::StochD::new(n(), call.n(1), call.n(2))),
        "willr" => on!(bar, call, stochastic::WillR::new(n())),
        "cci" => on!(bar, call, cci::Cci::new(n())),
        "mfi" => on!(bar, call, mfi::Mfi::new(n())),
        "adx" => on!(bar, call, dmi::Adx::new(n())),
        "plus_di" => on!(bar, call, dmi::PlusDi::new(n())),
        "minus_di" => on!(bar, call, dmi::MinusDi::new(n())),
        "tr" => on!(bar, call, atr::TrueRange::new()),
        "atr" => on!(bar, call, atr::Atr::new(n())),
        "natr" => on!(bar, call, atr::Natr::new(n())),
        "kc_upper" => on!(bar, call, keltner::KcUpper::new(n(), call.k)),
        "kc_mid" => on!(bar, call, keltner::KcMid::new(n())),
        "kc_lower" => on!(bar, call, keltner::KcLower::new(n(), call.k)),
        "supertrend" => on!(bar, call, supertrend::Supertrend::new(n(), call.k)),
        "volume_z" => call.over(zscore::ZScore::new(n()), |kernel, i| {
            kernel.update(call.market.bars[i].volume())
        }),
        "volatility" => call
            .over(volatility::RealisedVolatility::new(n()).unwrap(), |kernel, i| {
                kernel.update(call.market.bars[i].close())
            }),
        "day_open" => on!(day, call, day::DayOpen::new(timeframe_ms)),
        "day_high" => on!(day, call, day::DayHigh::new(timeframe_ms)),
        "day_low" => on!(day, call, day::DayLow::new(timeframe_ms)),
        "day_vwap" => on!(day, call, day::DayVwap::new(timeframe_ms)),
        name => panic!("{name} is not a function"),
    }
}
