//! Spikes: one-bar returns and wicks far outside what the window shows. They are flagged, never deleted: some are real.

use polars::prelude::{ChunkQuantile as _, Float64Chunked};

use super::finding::{Example, Finding};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::SlotTs,
    },
    language::kernels::{length::Length, returns::LogReturn},
    manifest::QualityCheck,
};

/// The median absolute deviation of a normal distribution times this is its standard deviation.
const SIGMAS_PER_MAD: f64 = 1.4826;

/// Above which distance a return is a spike.
#[derive(Debug, Clone, Copy)]
pub struct SpikeRule {
    /// In robust standard deviations.
    pub sigmas: f64,
    /// In percent of the price before.
    pub pct: f64,
}

/// Bars whose close is both `sigmas` and `pct` away from the close of the slot before, or whose high or low is as far from
/// both its open and its close.
pub fn finding(bars: &[TimedBar], rule: SpikeRule, most: usize) -> Finding {
    let returns = returns(bars);
    let sigma = SIGMAS_PER_MAD * deviation(&returns);
    // A logarithm and its sign tell rise and fall apart; the percents are what people read.
    let pct = |log_return: f64| (log_return.exp() - 1.0) * 100.0;
    let far = |log_return: &f64| {
        log_return.abs() > rule.sigmas * sigma && pct(*log_return).abs() > rule.pct
    };
    let closes = returns.iter().filter(|(_, x)| far(x)).map(|(ts, x)| (*ts, "close", *x));
    let wicks = bars.iter().filter_map(|bar| {
        let wick = wick(&bar.bar);
        far(&wick).then_some((bar.ts, "wick", wick))
    });
    let mut found: Vec<(SlotTs, &str, f64)> = closes.chain(wicks).collect();
    found.sort_by_key(|(ts, ..)| *ts);
    let wicks = found.iter().filter(|(_, what, _)| *what == "wick").count() as u64;
    let examples = found.iter().take(most).map(|(ts, what, log_return)| {
        let sigmas = log_return.abs() / sigma;
        Example::at(*ts, format!("{what} {:+.2} %, {sigmas:.1} sigmas", pct(*log_return)))
    });
    let count = found.len() as u64;
    let mut finding = Finding::new(QualityCheck::Spikes, "places", count, examples);
    if count > 0 {
        finding.classes = [("closes", count - wicks), ("wicks", wicks)].into();
    }
    finding
}

/// How far the bar reached beyond its open and close, on the side where it reached farther, as a log return.
fn wick(bar: &Bar) -> f64 {
    let up = (bar.high() / bar.open().max(bar.close())).ln();
    let down = (bar.low() / bar.open().min(bar.close())).ln();
    if up > -down { up } else { down }
}

/// Log returns over one slot; none across a gap.
fn returns(bars: &[TimedBar]) -> Vec<(SlotTs, f64)> {
    let one = Length::new(1).expect("one bar is a length");
    let mut log_return = LogReturn::new(one);
    let mut before = None;
    let mut returns = Vec::with_capacity(bars.len());
    for bar in bars {
        let value = log_return.update(bar.bar.close());
        if before.replace(bar.ts).is_some_and(|before| before.next() == bar.ts) {
            returns.push((bar.ts, value));
        }
    }
    returns
}

/// The median distance from the median; 0 without a return. An ulp more or less does not matter here.
fn deviation(returns: &[(SlotTs, f64)]) -> f64 {
    let values: Float64Chunked = returns.iter().map(|(_, value)| Some(*value)).collect();
    let middle = values.median().unwrap_or(0.0);
    let distances: Float64Chunked = values.iter().map(|x| Some((x? - middle).abs())).collect();
    distances.median().unwrap_or(0.0)
}
