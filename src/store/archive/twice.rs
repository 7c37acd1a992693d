//! Rows with one stamp and different values: the same bar seen twice, or two series in one file.

use std::collections::BTreeMap;

use super::{assemble::Conflict, distance, labels::Labels};
use crate::domain::{
    bar::{Bar, TimedBar},
    time::Timeframe,
};

/// Prices of one bar, seen twice, are not so far apart: the lowest of the one over the highest of the other.
const APART: f64 = 1.02;
/// Fewer stamps than this do not show two series.
const STAMPS_MIN: usize = 5;
/// Of all stamps, so many that are there twice with other values are two series.
const SHARE: f64 = 0.9;
/// A price that goes this far between two bars and back again, so often, is that of two series.
const JUMP: f64 = 3.0;
const JUMPS_MIN: usize = 6;

/// Two rows with one stamp, and what their words are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub conflict: Conflict,
    /// Of the row that was taken, and of the other one.
    pub labels: (u16, u16),
}

/// Whether the rows can be one series. `bars` are those that are taken.
pub(super) fn judge(
    pairs: &[Pair],
    bars: &[TimedBar],
    labels: &Labels,
    names: &[String],
) -> Result<(), String> {
    for pair in pairs {
        judge_pair(pair, labels, names)?;
    }
    let others: Vec<&Conflict> =
        pairs.iter().map(|pair| &pair.conflict).filter(|one| !one.is_growth()).collect();
    let stamps: BTreeMap<i64, &Conflict> =
        others.iter().map(|one| (one.ts.ts_ms(), *one)).collect();
    if let Some(first) = others.first()
        && bars.len() >= STAMPS_MIN
        && stamps.len() as f64 >= SHARE * bars.len() as f64
    {
        let (all, of) = (stamps.len(), bars.len());
        return Err(two_series(
            first,
            &format!("{all} of {of} stamps are there twice with other values"),
        ));
    }
    longer(pairs, bars)?;
    jumps(bars)
}

fn judge_pair(pair: &Pair, labels: &Labels, names: &[String]) -> Result<(), String> {
    let one = &pair.conflict;
    let ((a, x), (b, y)) = (one.kept, one.lost);
    if x.low() > y.high() * APART || y.low() > x.high() * APART {
        return Err(two_series(one, "their prices are far apart"));
    }
    if one.is_growth() {
        return Ok(());
    }
    if let Some((at, said, other)) = labels.between(pair.labels.0, pair.labels.1) {
        let name = &names[at];
        return Err(format!(
            "rows {b} and {a} both close at {}, and column `{name}` says {other} and {said}: choose one with select=\"{name}={said}\"",
            one.ts
        ));
    }
    let back = Conflict { kept: one.lost, lost: one.kept, ..*one };
    if back.is_growth() {
        return Err(format!(
            "rows {b} and {a} both close at {}, and row {a}, which is taken as the one written last, has less of the bar ({:?}, then {:?}): sort the file by the time of writing, oldest first, or leave one of them out",
            one.ts,
            y.values(),
            x.values()
        ));
    }
    Ok(())
}

fn two_series(one: &Conflict, why: &str) -> String {
    let ((a, x), (b, y)) = (one.kept, one.lost);
    format!(
        "rows {b} and {a} both close at {} and differ ({:?}, {:?}), and {why}: the file holds two series, bring them in from a file each",
        one.ts,
        y.values(),
        x.values()
    )
}

/// Whether rows that are taken are bars of a longer timeframe, put together from the rows that gave way and those after them.
fn longer(pairs: &[Pair], bars: &[TimedBar]) -> Result<(), String> {
    let Some(tf) = bars.first().map(|bar| bar.ts.timeframe()) else { return Ok(()) };
    // The last row before the one that is taken is of the short timeframe, if any is.
    let short: BTreeMap<i64, Bar> =
        pairs.iter().map(|pair| (pair.conflict.ts.ts_ms(), pair.conflict.lost.1)).collect();
    let at = |n: usize| {
        let bar = &bars[n];
        short.get(&bar.ts.ts_ms()).copied().unwrap_or(bar.bar)
    };
    let lengths = Timeframe::ALL.into_iter().map(Timeframe::ms).chain([7 * Timeframe::D1.ms()]);
    for long_ms in lengths.filter(|long| *long > tf.ms() && long % tf.ms() == 0) {
        let count = usize::try_from(long_ms / tf.ms()).unwrap_or(usize::MAX);
        let is_sum = |pair: &&Pair| {
            let ts_ms = pair.conflict.ts.ts_ms();
            let Ok(first) = bars.binary_search_by_key(&ts_ms, |bar| bar.ts.ts_ms()) else {
                return false;
            };
            let end = first.saturating_add(count);
            end <= bars.len()
                && bars[end - 1].ts.ts_ms() == ts_ms + long_ms - tf.ms()
                && is_rolled(pair.conflict.kept.1, (first..end).map(at))
        };
        let found: Vec<&Pair> = pairs.iter().filter(is_sum).collect();
        if let [first, _, ..] = found[..] {
            let (row, ts) = (first.conflict.kept.0, first.conflict.ts);
            return Err(format!(
                "row {row} closes at {ts} like another one and is a bar of {} that has those after it in it: the file holds bars of two timeframes, bring them in from a file each",
                distance::length(long_ms)
            ));
        }
    }
    Ok(())
}

/// Whether a bar is what others make together. One in which nothing happens is not.
fn is_rolled(long: Bar, parts: impl Iterator<Item = Bar>) -> bool {
    let parts: Vec<Bar> = parts.collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    let (mut high, mut low) = (f64::MIN, f64::MAX);
    for part in &parts {
        high = high.max(part.high());
        low = low.min(part.low());
    }
    long.open() == first.open()
        && long.close() == last.close()
        && long.high() == high
        && long.low() == low
        && (long.close() != first.close() || long.high() != first.high())
}

/// Whether the price goes far and comes back, again and again.
fn jumps(bars: &[TimedBar]) -> Result<(), String> {
    let mut turns = 0;
    let mut was_up = None;
    for pair in bars.windows(2) {
        let ratio = pair[1].bar.open() / pair[0].bar.close();
        if !(1.0 / JUMP..=JUMP).contains(&ratio) {
            turns += usize::from(was_up != Some(ratio > 1.0));
            was_up = Some(ratio > 1.0);
        }
        if turns >= JUMPS_MIN {
            let (from, to) = (pair[0].bar.close(), pair[1].bar.open());
            return Err(format!(
                "the price goes back and forth between {from} and {to} from bar to bar, as at {}: the file holds two series, bring them in from a file each",
                pair[1].ts
            ));
        }
    }
    Ok(())
}
