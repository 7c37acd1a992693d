//! The same market from another series of the store, bar by bar, put together to the longer timeframe where that is needed.

use super::{
    report::{Example, QualityFinding},
    rows::VALUES,
};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::{SlotTs, Timeframe},
    },
    manifest::QualityCheck,
};

/// What is compared how.
#[derive(Debug, Clone, Copy)]
pub struct SeriesComparison {
    /// How far a value may be off, in percent of the other one.
    pub tolerance_pct: f64,
    /// Whether volumes must agree too: on another venue others trade.
    pub with_volume: bool,
    /// Examples kept.
    pub most: usize,
}

impl SeriesComparison {
    /// Compares over the slots that both span.
    pub fn finding(&self, ours: &[TimedBar], other: &[TimedBar]) -> QualityFinding {
        let (ours, other) = common(ours, other);
        let (mut equal, mut differing) = (0, Pairs::default());
        let (mut absent_here, mut absent_there) = (Pairs::default(), Pairs::default());
        for (ts, pair) in paired(ours, other) {
            match pair {
                (Some(bar), Some(other)) if self.differs(bar, other) => {
                    differing.push(ts, self.most, || self.values(bar, other));
                }
                (None, _) => absent_here.push(ts, self.most, || "only there".to_owned()),
                (_, None) => absent_there.push(ts, self.most, || "only here".to_owned()),
                (Some(_), Some(_)) => equal += 1,
            }
        }
        let classes = [
            ("equal", equal),
            ("absent-here", absent_here.count),
            ("absent-there", absent_there.count),
            ("differing", differing.count),
        ];
        let all = [differing, absent_here, absent_there];
        let count = all.iter().map(|found| found.count).sum();
        let examples: Vec<_> =
            all.into_iter().flat_map(|found| found.examples).take(self.most).collect();
        let mut finding = QualityFinding::new(QualityCheck::Against, "bars", count, examples);
        finding.classes = classes.into();
        finding
    }

    /// The compared values of a bar and of its counterpart.
    fn pairs(&self, bar: &Bar, other: &Bar) -> impl Iterator<Item = (&'static str, f64, f64)> {
        let names = if self.with_volume { &VALUES[..] } else { &VALUES[..4] };
        let values = bar.values().into_iter().zip(other.values());
        names.iter().zip(values).map(|(name, (ours, other))| (*name, ours, other))
    }

    /// Without tolerance this is `ours != other` to the last bit but the sign of zero.
    fn differs(&self, bar: &Bar, other: &Bar) -> bool {
        let room = |other: f64| other.abs() * (self.tolerance_pct * 0.01);
        self.pairs(bar, other).any(|(_, ours, other)| (ours - other).abs() > room(other))
    }

    /// The values that are not equal.
    fn values(&self, bar: &Bar, other: &Bar) -> String {
        let differing = self.pairs(bar, other).filter(|(_, ours, other)| ours != other);
        let texts =
            differing.map(|(name, ours, other)| format!("{name} {ours} here, {other} there"));
        texts.collect::<Vec<_>>().join(", ")
    }
}

/// Bars of one class: how many, and the first of them.
#[derive(Default)]
struct Pairs {
    count: u64,
    examples: Vec<Example>,
}

impl Pairs {
    fn push(&mut self, ts: SlotTs, most: usize, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < most {
            self.examples.push(Example::at(ts, what()));
        }
    }
}

/// The slots of two sorted series, each with the bar of the one and of the other.
fn paired<'a>(
    mut ours: &'a [TimedBar],
    mut other: &'a [TimedBar],
) -> impl Iterator<Item = (SlotTs, (Option<&'a Bar>, Option<&'a Bar>))> {
    std::iter::from_fn(move || {
        let heads = [ours.first(), other.first()];
        let ts = heads.into_iter().flatten().map(|bar| bar.ts).min()?;
        let take = |bars: &mut &'a [TimedBar]| {
            let bar = bars.split_first().filter(|(head, _)| head.ts == ts);
            bar.map(|(head, rest)| {
                *bars = rest;
                &head.bar
            })
        };
        Some((ts, (take(&mut ours), take(&mut other))))
    })
}

/// The parts of two sorted series from the later start to the earlier end.
fn common<'a>(ours: &'a [TimedBar], other: &'a [TimedBar]) -> (&'a [TimedBar], &'a [TimedBar]) {
    let ends = |bars: &[TimedBar]| bars.first().zip(bars.last()).map(|(a, b)| (a.ts, b.ts));
    let (Some(a), Some(b)) = (ends(ours), ends(other)) else { return (&[], &[]) };
    let (first, last) = (a.0.max(b.0), a.1.min(b.1));
    (cut(ours, first, last), cut(other, first, last))
}

fn cut(bars: &[TimedBar], first: SlotTs, last: SlotTs) -> &[TimedBar] {
    let start = bars.partition_point(|bar| bar.ts < first);
    let end = bars.partition_point(|bar| bar.ts <= last).max(start);
    &bars[start..end]
}

/// Volumes are summed in units of 1e-8, in which venues count: a sum of floats is off in one bucket of six.
const UNITS: f64 = 1e8;

/// The complete buckets: first open, highest high, lowest low, last close, and the volumes summed exactly and divided once.
pub fn resample(bars: &[TimedBar], to: Timeframe) -> Vec<TimedBar> {
    let bucket = |bar: &TimedBar| bar.ts.open_ms().div_euclid(to.ms());
    bars.chunk_by(|a, b| bucket(a) == bucket(b)).filter_map(|part| whole(part, to)).collect()
}

fn whole(part: &[TimedBar], to: Timeframe) -> Option<TimedBar> {
    let (first, last) = (part.first()?, part.last()?);
    let wanted = to.ms() / first.ts.timeframe().ms();
    if part.len() as i64 != wanted {
        return None;
    }
    let high = part.iter().map(|bar| bar.bar.high()).fold(f64::MIN, f64::max);
    let low = part.iter().map(|bar| bar.bar.low()).fold(f64::MAX, f64::min);
    let units: i128 = part.iter().map(|bar| (bar.bar.volume() * UNITS).round() as i128).sum();
    let volume = units as f64 / UNITS;
    let ts = to.slot_of_open(first.ts.open_ms()).ok()?;
    let bar = Bar::new([first.bar.open(), high, low, last.bar.close(), volume]).ok()?;
    Some(TimedBar { ts, bar })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: i64, values: [f64; 5]) -> TimedBar {
        let ts = Timeframe::M1.slot(n * 60_000).unwrap();
        TimedBar { ts, bar: Bar::new(values).unwrap() }
    }

    #[test]
    fn five_minutes_make_one_bar_and_volumes_add_up_exactly() {
        // As floats these volumes add up to 0.6000000000000001.
        let volumes = [0.1, 0.1, 0.1, 0.1, 0.2];
        assert!(volumes.iter().sum::<f64>() > 0.6);
        let bars: Vec<_> = volumes
            .iter()
            .zip([5.0, 9.0, 2.0, 6.0, 7.0])
            .zip(1..)
            .map(|((volume, close), n)| minute(n, [4.0 + n as f64, 9.5, 1.5, close, *volume]))
            .collect();
        let made = resample(&bars, Timeframe::M5);
        assert_eq!(made.len(), 1);
        assert_eq!(made[0].ts.ts_ms(), 300_000);
        assert_eq!(made[0].bar.values(), [5.0, 9.5, 1.5, 7.0, 0.6]);
    }

    #[test]
    fn buckets_with_a_hole_or_cut_at_an_end_are_left_out() {
        let flat = |n| minute(n, [1.0, 1.0, 1.0, 1.0, 1.0]);
        let slots: Vec<i64> = [4, 5].into_iter().chain(6..=10).chain([11, 12, 14, 15]).collect();
        let bars: Vec<_> = slots.into_iter().map(flat).collect();
        let made: Vec<_> =
            resample(&bars, Timeframe::M5).iter().map(|bar| bar.ts.ts_ms()).collect();
        assert_eq!(made, [600_000]);
    }
}
