//! The look-ahead check: what a row says must not change when the bars it may not know are taken away.

use thiserror::Error;

use super::{
    label::Label,
    rows::TrainRows,
    split_mix::{Purpose, SplitMix},
};
use crate::{
    domain::{bar::TimedBar, time::SlotTs},
    engine::anchor::{Blocks, FeatureRows},
};

/// A row that knew what it may not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LookaheadError {
    /// Its features changed when the bars after it were taken away.
    #[error("the features at {slot} depend on bars after it")]
    Features {
        /// The slot of the row.
        slot: SlotTs,
    },
    /// Its label changed when the bars after its stated end were taken away.
    #[error(
        "the label of {slot} depends on bars after its stated end, {end}: no fold can be kept clear of it"
    )]
    Label {
        /// The slot of the row.
        slot: SlotTs,
        /// Where the label says that it ends.
        end: SlotTs,
    },
    /// Its label ends before it begins.
    #[error("the label of {slot} says that it ends at {end}, which the features know already")]
    Past {
        /// The slot of the row.
        slot: SlotTs,
        /// Where the label says that it ends.
        end: SlotTs,
    },
}

/// Which rows are looked at: `many` of them, drawn with the seed, and the last one.
pub fn probes(rows: &TrainRows, many: usize, seed: u64) -> Vec<usize> {
    let mut chance = SplitMix::new(seed, Purpose::Probe);
    let mut probes: Vec<usize> =
        (0..many.min(rows.len())).map(|_| chance.below(rows.len())).collect();
    probes.extend(rows.len().checked_sub(1));
    probes.sort_unstable();
    probes.dedup();
    probes
}

/// Computes the features of some rows anew from the bars since their anchor up to their own, and compares the bits with those the rows have.
pub fn check_features(
    (rows, probes): (&TrainRows, &[usize]),
    bars: &[TimedBar],
    blocks: Blocks,
    compute: impl Fn(&[TimedBar]) -> FeatureRows,
) -> Result<(), LookaheadError> {
    for probe in probes {
        let (slot, place) = (rows.slots()[*probe], rows.places()[*probe]);
        let anchor_ms = blocks.anchor_ms(slot);
        let start = bars.partition_point(|bar| bar.ts.open_ms() < anchor_ms);
        let anew = compute(&bars[start..=place]);
        let same = anew.iter().last().is_some_and(|row| {
            let known = rows.inputs(*probe);
            let bits = |values: &[f64]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            bits(&row.values[..known.len()]) == bits(known)
        });
        if !same {
            return Err(LookaheadError::Features { slot });
        }
    }
    Ok(())
}

/// Labels some rows anew with the bars after their stated end taken away.
pub fn check_labels(
    (rows, probes): (&TrainRows, &[usize]),
    bars: &[TimedBar],
    label: impl Fn(&[TimedBar], usize) -> Option<Label>,
) -> Result<(), LookaheadError> {
    for probe in probes {
        let (slot, end) = (rows.slots()[*probe], rows.ends()[*probe]);
        if end <= slot {
            return Err(LookaheadError::Past { slot, end });
        }
        let known = bars.partition_point(|bar| bar.ts <= end);
        let had = Label { class: rows.classes()[*probe], end };
        if label(&bars[..known], rows.places()[*probe]) != Some(had) {
            return Err(LookaheadError::Label { slot, end });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{bar::Bar, time::Timeframe},
        engine::learn::label::{Class, Labelling, Question},
    };

    fn bars() -> Vec<TimedBar> {
        let first = Timeframe::M5.slot(86_400_000 + 300_000).unwrap();
        let bar = |n: i64| {
            let price = 100.0 + ((n * 37) % 23) as f64;
            let bar = Bar::new([price, price + 1.0, price - 1.0, price, 1.0]).unwrap();
            TimedBar { ts: first.plus(n), bar }
        };
        (0..400).map(bar).collect()
    }

    /// One feature: the close `ahead` bars later.
    fn features(bars: &[TimedBar], ahead: usize) -> FeatureRows {
        let close = |at: usize| bars.get(at).map_or(0.0, |bar| bar.bar.close());
        FeatureRows::ready(1, (0..bars.len()).map(|at| close(at + ahead)).collect())
    }

    fn question() -> Labelling {
        Labelling::new(Question::ForwardReturn { threshold: 0.0 }, 3).unwrap()
    }

    fn found(
        ahead: usize,
        label: impl Fn(&[TimedBar], usize) -> Option<Label>,
    ) -> Result<(), LookaheadError> {
        let bars = bars();
        let blocks = Blocks::new(Timeframe::M5, 10, 1);
        let all = features(&bars, ahead);
        let rows = TrainRows::collect(&bars, &all, 1, |at, _| label(&bars, at));
        let probes = probes(&rows, 20, 7);
        check_features((&rows, &probes), &bars, blocks, |bars| features(bars, ahead))?;
        check_labels((&rows, &probes), &bars, label)
    }

    #[test]
    fn honest_features_and_labels_pass() {
        assert_eq!(found(0, |bars, at| question().label(bars, at, 1.0)), Ok(()));
    }

    #[test]
    fn a_feature_that_knows_the_next_close_is_caught() {
        let peek = found(1, |bars, at| question().label(bars, at, 1.0));
        assert!(matches!(peek, Err(LookaheadError::Features { .. })), "{peek:?}");
    }

    #[test]
    fn a_label_that_looks_behind_its_stated_end_is_caught() {
        let peek = found(0, |bars, at| {
            let label = question().label(bars, at, 1.0)?;
            // It says three bars and knows thirty.
            let later = bars.get(at + 30)?.bar.close();
            let class = if later > bars[at].bar.close() { Class::Up } else { Class::Down };
            Some(Label { class, ..label })
        });
        assert!(matches!(peek, Err(LookaheadError::Label { .. })), "{peek:?}");
    }

    #[test]
    fn a_label_that_ends_before_it_begins_is_caught() {
        let past =
            |bars: &[TimedBar], at: usize| Some(Label { class: Class::Up, end: bars.get(at)?.ts });
        assert!(matches!(found(0, past), Err(LookaheadError::Past { .. })));
    }
}
