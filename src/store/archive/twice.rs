//! Rows with one stamp and different values: the same bar seen twice, or two series in one file, which words may tell apart.

use std::collections::BTreeMap;

use super::{assemble::Conflict, distance, row::Cell, stamp::shown};
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
pub(super) struct StampPair {
    pub conflict: Conflict,
    /// Of the row that was taken, and of the other one.
    pub labels: (u16, u16),
}

/// Whether the rows can be one series. `bars` are those that are taken.
pub(super) fn judge(
    pairs: &[StampPair],
    bars: &[TimedBar],
    labels: &RowLabels,
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

fn judge_pair(pair: &StampPair, labels: &RowLabels, names: &[String]) -> Result<(), String> {
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
fn longer(pairs: &[StampPair], bars: &[TimedBar]) -> Result<(), String> {
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
        let is_sum = |pair: &&StampPair| {
            let ts_ms = pair.conflict.ts.ts_ms();
            let Ok(first) = bars.binary_search_by_key(&ts_ms, |bar| bar.ts.ts_ms()) else {
                return false;
            };
            let end = first.saturating_add(count);
            end <= bars.len()
                && bars[end - 1].ts.ts_ms() == ts_ms + long_ms - tf.ms()
                && is_rolled(pair.conflict.kept.1, (first..end).map(at))
        };
        let found: Vec<&StampPair> = pairs.iter().filter(is_sum).collect();
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

/// Different words of a column that are remembered. One with more does not tell series apart.
const WORDS_MAX: usize = 12;

/// The columns that may tell rows apart, and the words in them.
#[derive(Debug, Default)]
pub(super) struct RowLabels {
    columns: Vec<Label>,
    /// The words of each row that was different, by their numbers.
    seen: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Label {
    at: usize,
    words: Vec<String>,
    is_full: bool,
}

impl RowLabels {
    pub(super) fn new(columns: Vec<usize>) -> Self {
        /// More columns than these are not looked at.
        const COLUMNS_MAX: usize = 8;
        let columns = columns.into_iter().take(COLUMNS_MAX);
        let columns = columns.map(|at| Label { at, words: Vec::new(), is_full: false });
        Self { columns: columns.collect(), seen: Vec::new() }
    }

    /// What stands for the words of a row.
    pub(super) fn of<'c>(&mut self, cell: &impl Fn(usize) -> Cell<'c>) -> u16 {
        if self.columns.is_empty() {
            return 0;
        }
        let numbers: Vec<u8> = self.columns.iter_mut().map(|label| label.number(cell)).collect();
        /// More than these are not remembered.
        const SEEN_MAX: usize = 1000;
        let at = match self.seen.iter().position(|seen| *seen == numbers) {
            None if self.seen.len() < SEEN_MAX => {
                self.seen.push(numbers);
                Some(self.seen.len() - 1)
            }
            at => at,
        };
        at.and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX)
    }

    /// The column, and its words, that tell two rows apart.
    pub(super) fn between(&self, one: u16, other: u16) -> Option<(usize, String, String)> {
        let [one, other] = [one, other].map(|label| self.seen.get(usize::from(label)));
        let (one, other) = one.zip(other)?;
        for (label, (a, b)) in self.columns.iter().zip(one.iter().zip(other)) {
            let word = |n: u8| label.words.get(usize::from(n).checked_sub(1)?);
            if let (false, Some(a), Some(b)) = (label.is_full || a == b, word(*a), word(*b)) {
                return Some((label.at, shown(a), shown(b)));
            }
        }
        None
    }
}

impl Label {
    /// The number of a word, from 1; 0 for what does not count.
    fn number<'c>(&mut self, cell: &impl Fn(usize) -> Cell<'c>) -> u8 {
        if self.is_full {
            return 0;
        }
        let word = cell(self.at).word();
        // Numbers grow with a bar: trades, an index.
        if word.is_empty() || word.parse::<f64>().is_ok() {
            return 0;
        }
        let at = self.words.iter().position(|known| *known == word);
        let at = at.unwrap_or_else(|| {
            self.words.push(word);
            self.words.len() - 1
        });
        self.is_full = self.words.len() > WORDS_MAX;
        u8::try_from(at + 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_by_a_word_that_many_have() {
        let mut labels = RowLabels::new(vec![0, 1]);
        let mut of = |rows: [&str; 2]| labels.of(&|at| Cell::Text(rows[at]));
        let (bid, ask, five) = (of(["bid", "5"]), of(["ask", "6"]), of(["bid", "7"]));
        assert_eq!(labels.between(bid, five), None);
        assert_eq!(labels.between(bid, ask), Some((0, "bid".to_owned(), "ask".to_owned())));
    }

    #[test]
    fn a_column_with_many_words_tells_nothing_apart() {
        let mut labels = RowLabels::new(vec![0]);
        let words: Vec<String> = (0..40).map(|n| format!("id-{n}")).collect();
        let of: Vec<u16> = words.iter().map(|word| labels.of(&|_| Cell::Text(word))).collect();
        assert_eq!(labels.between(of[0], of[1]), None);
    }
}
