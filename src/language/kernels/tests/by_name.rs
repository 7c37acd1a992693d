//! Runs a kernel over a whole series, by the name its function has in the rule language.

use super::naive::Market;
use crate::language::kernels::{
    among, averages, day, dmi, logic, oscillators, ranges, sample, spread, window::Length,
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
        "sma" => on!(x, call, averages::Sma::new(n())),
        "ema" => on!(x, call, averages::Ema::new(n())),
        "rma" => on!(x, call, averages::Ema::wilder(n())),
        "wma" => on!(x, call, averages::Wma::new(n())),
        "hma" => on!(x, call, averages::Hma::new(n())),
        "vwma" => call.over(averages::Vwma::new(n()), |kernel, i| {
            kernel.update(call.args[0][i], call.market.bars[i].volume())
        }),
        "rsi" => on!(x, call, oscillators::Rsi::new(n())),
        "roc" => on!(x, call, spread::Roc::new(n())),
        "mom" => on!(x, call, spread::Mom::new(n())),
        "log_return" => on!(x, call, spread::LogReturn::new(n())),
        "macd" => on!(x, call, oscillators::MacdLine::new(n(), call.n(1)).unwrap()),
        "macd_signal" => {
            on!(x, call, oscillators::MacdSignal::new(n(), call.n(1), call.n(2)).unwrap())
        }
        "macd_hist" => on!(x, call, oscillators::MacdHist::new(n(), call.n(1), call.n(2)).unwrap()),
        "stdev" => on!(x, call, spread::Stdev::new(n())),
        "bb_upper" => on!(x, call, spread::BbUpper::new(n(), call.k)),
        "bb_mid" => on!(x, call, spread::BbMid::new(n())),
        "bb_lower" => on!(x, call, spread::BbLower::new(n(), call.k)),
        "highest" => on!(x, call, among::RollingHigh::new(n())),
        "lowest" => on!(x, call, among::RollingLow::new(n())),
        "zscore" => on!(x, call, spread::ZScore::new(n())),
        "rank" => on!(x, call, among::Rank::new(n())),
        "rising" => on!(x, call, logic::Rising::new(n())),
        "falling" => on!(x, call, logic::Falling::new(n())),
        "count" => on!(x, call, logic::Count::new(n())),
        "bars_since" => on!(x, call, logic::BarsSince::new(n())),
        "delay" => on!(x, call, logic::Delay::new(n())),
        "value_when" => call.over(logic::ValueWhen::new(n()), |kernel, i| {
            kernel.update(call.args[0][i], call.args[1][i])
        }),
        "corr" => call.over(among::Corr::new(n()), |kernel, i| {
            kernel.update(call.args[0][i], call.args[1][i])
        }),
        name => on_bars(name, call),
    }
}

fn on_bars(name: &str, call: &Call) -> Vec<f64> {
    let n = || call.n(0);
    let timeframe_ms = call.market.timeframe_ms;
    match name {
        "stoch_k" => on!(bar, call, oscillators::StochK::new(n(), call.n(1))),
        "stoch_d" => on!(bar, call, oscillators::StochD::new(n(), call.n(1), call.n(2))),
        "willr" => on!(bar, call, oscillators::WillR::new(n())),
        "cci" => on!(bar, call, oscillators::Cci::new(n())),
        "mfi" => on!(bar, call, oscillators::Mfi::new(n())),
        "adx" => on!(bar, call, dmi::Adx::new(n())),
        "plus_di" => on!(bar, call, dmi::PlusDi::new(n())),
        "minus_di" => on!(bar, call, dmi::MinusDi::new(n())),
        "tr" => on!(bar, call, ranges::TrueRange::new()),
        "atr" => on!(bar, call, ranges::Atr::new(n())),
        "natr" => on!(bar, call, ranges::Natr::new(n())),
        "kc_upper" => on!(bar, call, ranges::KcUpper::new(n(), call.k)),
        "kc_mid" => on!(bar, call, ranges::KcMid::new(n())),
        "kc_lower" => on!(bar, call, ranges::KcLower::new(n(), call.k)),
        "supertrend" => on!(bar, call, ranges::Supertrend::new(n(), call.k)),
        "volume_z" => call.over(spread::ZScore::new(n()), |kernel, i| {
            kernel.update(call.market.bars[i].volume())
        }),
        "volatility" => call.over(spread::RealisedVolatility::new(n()).unwrap(), |kernel, i| {
            kernel.update(call.market.bars[i].close())
        }),
        "day_open" => on!(day, call, day::DayOpen::new(timeframe_ms)),
        "day_high" => on!(day, call, day::DayHigh::new(timeframe_ms)),
        "day_low" => on!(day, call, day::DayLow::new(timeframe_ms)),
        "day_vwap" => on!(day, call, day::DayVwap::new(timeframe_ms)),
        name => panic!("{name} is not a function"),
    }
}
