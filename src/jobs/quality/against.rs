//! The same market from another series of the store, bar by bar.

use super::{
    finding::{Example, Finding},
    frame::VALUES,
};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::SlotTs,
    },
    manifest::QualityCheck,
};

/// What is compared how.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// How far a value may be off, in percent of the other one.
    pub tolerance_pct: f64,
    /// Whether volumes must agree too: on another venue others trade.
    pub with_volume: bool,
    /// Examples kept.
    pub most: usize,
}

impl Comparison {
    /// Compares over the slots that both span.
    pub fn finding(&self, ours: &[TimedBar], other: &[TimedBar]) -> Finding {
        let (ours, other) = common(ours, other);
        let (mut equal, mut differing) = (0, Found::default());
        let (mut absent_here, mut absent_there) = (Found::default(), Found::default());
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
        let mut finding = Finding::new(QualityCheck::Against, "bars", count, examples);
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
struct Found {
    count: u64,
    examples: Vec<Example>,
}

impl Found {
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
