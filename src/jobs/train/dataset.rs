//! From bars to rows, and the look-ahead check that every training passes before it begins.

use rayon::prelude::*;

use crate::{
    domain::bar::TimedBar,
    engine::{
        anchor::{Blocks, FeatureRows, block_rows},
        learn::{
            label::Label,
            lookahead::{LookaheadError, check_features, check_labels, probes},
            rows::TrainRows,
        },
        strategy::Strategy,
    },
    exit::Exit,
    jobs::context::Failure,
    language::kernels::{ranges::Atr, window::Length},
};

/// Rows whose features and labels are computed anew with the future taken away.
pub const PROBES: usize = 100;

/// How rows are made.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The strategy that LIVE would run: its first features are those of the model.
    pub strategy: &'a Strategy,
    /// How time is cut for it.
    pub blocks: Blocks,
    /// How many of its features the model sees.
    pub width: usize,
    /// Bars of the average true range that labels are measured with.
    pub range: Length,
    /// Draws the rows that are looked at more closely.
    pub seed: u64,
}

/// The rows of `bars`, each checked to know nothing it may not know. `label` answers for the bar at a place, given the bars and the range
/// there; it must look at no bar after the end it states. Whoever peeks is refused with exit 65.
pub fn rows_of(
    recipe: &Recipe<'_>,
    bars: &[TimedBar],
    label: impl Fn(&[TimedBar], usize, f64) -> Option<Label>,
) -> Result<TrainRows, Failure> {
    let Recipe { strategy, blocks, width, range, seed } = *recipe;
    let features = features_of(strategy, blocks, bars);
    let ranges = ranges(blocks, range, bars);
    let range = |place: usize| ranges[place];
    let rows =
        TrainRows::collect(bars, &features, width, |place, _| label(bars, place, range(place)));
    let probes = probes(&rows, PROBES, seed);
    let compute = |bars: &[TimedBar]| features_of(strategy, blocks, bars);
    let labelled = |bars: &[TimedBar], place: usize| label(bars, place, range(place));
    check_features((&rows, &probes), bars, blocks, compute)
        .and_then(|()| check_labels((&rows, &probes), bars, labelled))
        .map_err(|peek| refused(&peek))?;
    Ok(rows)
}

fn refused(peek: &LookaheadError) -> Failure {
    let message = format!(
        "{peek}; nothing was trained, since every number about it would be too good: correct what computes it"
    );
    Failure::new(Exit::Data, message)
}

/// The features of every bar, each block computed from its own anchor: what the engine has there, bit for bit.
fn features_of(strategy: &Strategy, blocks: Blocks, bars: &[TimedBar]) -> FeatureRows {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
        return FeatureRows::default();
    };
    let start_of = |block: i64| bars.partition_point(|bar| blocks.of(bar.ts) < block);
    let rows = (blocks.of(first.ts)..=blocks.of(last.ts))
        .into_par_iter()
        .map(|block| {
            let (before, start, end) = (start_of(block - 1), start_of(block), start_of(block + 1));
            block_rows(strategy, blocks, &bars[before..start], &bars[start..end])
        })
        .collect();
    FeatureRows::joined(rows)
}

/// The average true range at every bar, begun anew like the features: NaN where there is none yet.
fn ranges(blocks: Blocks, length: Length, bars: &[TimedBar]) -> Vec<f64> {
    let mut ranges = Vec::with_capacity(bars.len());
    let mut before: &[TimedBar] = &[];
    for block in bars.chunk_by(|a, b| blocks.of(a.ts) == blocks.of(b.ts)) {
        let follows =
            before.last().is_some_and(|last| blocks.of(last.ts) + 1 == blocks.of(block[0].ts));
        let mut atr = Atr::new(length);
        for bar in if follows { before } else { &[] } {
            atr.update(&bar.bar);
        }
        ranges.extend(block.iter().map(|bar| atr.update(&bar.bar)));
        before = block;
    }
    ranges
}
