//! The look-ahead test: what was computed for a slot must not change when the bars after some later slot are taken away.

use crate::domain::{
    bar::TimedBar,
    decision::{Decision, Reason},
    time::{SlotTs, Window},
};

/// What is compared of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub ts: SlotTs,
    /// Hash of its features.
    pub features: Option<u64>,
    /// What was decided, and why.
    pub decision: (&'static str, Reason),
    /// Hash of the state behind it.
    pub state: u64,
}

impl From<&Decision> for Row {
    fn from(decision: &Decision) -> Self {
        Self {
            ts: decision.ts,
            features: decision.feat_hash,
            decision: (decision.action.name(), decision.reason),
            state: decision.state_hash,
        }
    }
}

/// A slot that knew what came after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    pub ts: SlotTs,
    /// The last slot whose bar it was allowed to know in the second run.
    pub cut: SlotTs,
    /// What differs.
    pub what: String,
}

/// The bars steps of all runs together that take seconds.
const STEPS_MAX: u64 = 20_000_000;

/// How far the cuts may lie apart, in slots, so that all runs together take seconds. Of a short series every slot is tried.
pub fn default_every(slots: u64) -> u64 {
    // A cut costs half the series on average.
    (slots.saturating_mul(slots) / (2 * STEPS_MAX)).max(1)
}

/// Cuts the bars after every `every`th slot, computes the rows anew, and compares them all with those of the full run.
/// Returns the number of cuts, or the first slot that peeked.
pub fn look_ahead<E>(
    bars: &[TimedBar],
    window: Window,
    every: u64,
    compute: impl Fn(&[TimedBar], Window) -> Result<Vec<Row>, E>,
) -> Result<Result<u64, Peek>, E> {
    let full = compute(bars, window)?;
    let step = usize::try_from(every.max(1)).unwrap_or(usize::MAX);
    let mut cuts = 0;
    for cut in window.iter().skip(step - 1).step_by(step).take_while(|cut| *cut < window.last()) {
        let known = bars.partition_point(|bar| bar.ts <= cut);
        let short = Window::new(window.first(), cut).expect("a cut is inside the window");
        let rows = compute(&bars[..known], short)?;
        if let Some(peek) = first_difference(&full, &rows, cut) {
            return Ok(Err(peek));
        }
        cuts += 1;
    }
    Ok(Ok(cuts))
}

fn first_difference(full: &[Row], rows: &[Row], cut: SlotTs) -> Option<Peek> {
    let wanted = full.iter().take_while(|row| row.ts <= cut).count();
    if wanted != rows.len() {
        let what = format!("{} rows instead of {wanted}", rows.len());
        return Some(Peek { ts: cut, cut, what });
    }
    let (with, without) = full.iter().zip(rows).find(|(with, without)| with != without)?;
    let what = if with.features != without.features {
        "features".to_owned()
    } else if with.decision == without.decision {
        "state".to_owned()
    } else {
        let text = |(action, reason): (&str, Reason)| format!("{action} ({reason})");
        format!("decision: {} became {}", text(without.decision), text(with.decision))
    };
    Some(Peek { ts: with.ts, cut, what })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{domain::time::Timeframe, exchange::feed};

    fn window() -> Window {
        let slot = |n: i64| Timeframe::M5.slot(1_704_067_200_000 + n * 300_000).unwrap();
        Window::new(slot(1), slot(200)).unwrap()
    }

    /// Rows whose features hash the bar `ahead` bars after their own.
    fn rows(bars: &[TimedBar], ahead: usize) -> Vec<Row> {
        let row = |(n, bar): (usize, &TimedBar)| Row {
            ts: bar.ts,
            features: bars.get(n + ahead).map(|bar| bar.bar.close().to_bits()),
            decision: ("hold", Reason::new("no_signal")),
            state: 0,
        };
        bars.iter().enumerate().map(row).collect()
    }

    fn test(every: u64, compute: impl Fn(&[TimedBar]) -> Vec<Row>) -> Result<u64, Peek> {
        let bars = feed::seeded_bars(7, window());
        let compute = |bars: &[TimedBar], _: Window| Ok::<_, Infallible>(compute(bars));
        let Ok(found) = look_ahead(&bars, window(), every, compute);
        found
    }

    #[test]
    fn what_looks_back_only_passes_at_every_cut() {
        assert_eq!(test(1, |bars| rows(bars, 0)), Ok(199));
        assert_eq!(test(50, |bars| rows(bars, 0)), Ok(3));
    }

    #[test]
    fn a_feature_that_peeks_at_the_next_bar_is_caught_and_its_slot_named() {
        let peek = test(50, |bars| rows(bars, 1)).unwrap_err();
        let cut = window().first().plus(49);
        assert_eq!((peek.ts, peek.cut, peek.what.as_str()), (cut, cut, "features"));
    }

    #[test]
    fn a_decision_that_depends_on_the_lowest_close_of_all_is_caught() {
        // Like a strategy that normalises with the whole series: the features of each slot are the same, the decisions are not.
        let bottom =
            |bars: &[TimedBar]| bars.iter().map(|bar| bar.bar.close()).fold(f64::MAX, f64::min);
        let peek = test(10, |bars| {
            let bottom = bottom(bars);
            let mut all = rows(bars, 0);
            for (row, bar) in all.iter_mut().zip(bars) {
                if bar.bar.close() <= bottom {
                    row.decision = ("enter_long", Reason::new("at_the_bottom"));
                }
            }
            all
        });
        let peek = peek.unwrap_err();
        assert_eq!(peek.what, "decision: enter_long (at_the_bottom) became hold (no_signal)");
        assert!(peek.ts <= peek.cut && peek.cut < window().last());
    }

    #[test]
    fn a_state_that_knows_how_many_bars_will_come_is_caught() {
        let peek = test(100, |bars| {
            let mut all = rows(bars, 0);
            for row in &mut all {
                row.state = bars.len() as u64;
            }
            all
        });
        assert_eq!(peek.unwrap_err().what, "state");
        let missing = test(100, |bars| rows(&bars[..bars.len().min(90)], 0));
        assert_eq!(missing, Ok(1), "rows that are missing in both runs are no peek");
        let late = test(100, |bars| rows(&bars[usize::from(bars.len() > 150)..], 0));
        assert!(late.unwrap_err().what.contains("rows instead of"));
    }

    #[test]
    fn the_cuts_of_a_long_series_lie_apart() {
        assert_eq!((default_every(1_000), default_every(1_000_000)), (1, 25_000));
    }
}
