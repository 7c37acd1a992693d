//! A recorded series served as a venue would have served it: at any instant only what had opened by then,
//! with the newest bar still forming and therefore wrong.

use super::feed::{Feed, FeedError};
use crate::domain::{
    bar::{Bar, Shown, TimedBar},
    time::{SlotTs, UtcMs},
};

/// A feed over bars in memory.
#[derive(Debug, Clone)]
pub struct ReplayFeed {
    bars: Vec<TimedBar>,
    horizon_bars: usize,
}

impl ReplayFeed {
    /// Serves `bars`, sorted and unique, never more than the newest `horizon_bars` of them at once.
    pub fn new(bars: Vec<TimedBar>, horizon_bars: usize) -> Self {
        assert!(bars.is_sorted_by(|a, b| a.ts < b.ts), "a recorded series is sorted and unique");
        Self { bars, horizon_bars: horizon_bars.max(2) }
    }
}

impl Feed for ReplayFeed {
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Shown, FeedError> {
        let opened = self.bars.partition_point(|bar| bar.ts.open_ms() <= now.get());
        let wanted = self.bars.partition_point(|bar| bar.ts < since);
        let from = wanted.max(opened.saturating_sub(self.horizon_bars)).min(opened);
        let mut answer = self.bars[from..opened].to_vec();
        if let Some(newest) = answer.last_mut().filter(|newest| newest.ts.close() > now) {
            newest.bar = forming(&newest.bar);
        }
        Ok(Shown { bars: answer, bad: Vec::new() })
    }

    fn ends(&self) -> Option<UtcMs> {
        Some(self.bars.last().map_or(UtcMs::EPOCH, |bar| bar.ts.close()))
    }
}

/// What a venue shows of a bar that is not over: part of the volume, and a close that will not stay.
fn forming(bar: &Bar) -> Bar {
    const WRONG: f64 = 1.01;
    let close = bar.open() * WRONG;
    let values = [bar.open(), bar.high().max(close), bar.low(), close, bar.volume() * 0.5];
    Bar::new(values).unwrap_or(*bar)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{bar::ClosedBar, time::Timeframe};

    fn bars(n: i64) -> Vec<TimedBar> {
        let bar = |i: i64| {
            let price = 100.0 + i as f64;
            TimedBar {
                ts: Timeframe::M1.slot(i * 60_000).unwrap(),
                bar: Bar::new([price, price, price, price, 1.0]).unwrap(),
            }
        };
        (1..=n).map(bar).collect()
    }

    #[test]
    fn the_newest_bar_is_wrong_while_it_forms_and_the_closed_ones_are_right() {
        let all = bars(5);
        let mut feed = ReplayFeed::new(all.clone(), 100);
        let now = UtcMs::new(3 * 60_000 + 2_000).unwrap();
        let answer = feed.fetch(all[0].ts, now).unwrap();
        assert_eq!(answer.bars.len(), 4, "bar 4 has opened");
        assert_ne!(answer.bars[3].bar, all[3].bar);
        let closed = ClosedBar::from_answer(answer).bars;
        let closed: Vec<_> = closed.iter().map(ClosedBar::get).collect();
        assert_eq!(closed, all[..3]);
    }

    #[test]
    fn a_venue_answers_only_as_far_back_as_its_horizon() {
        let mut feed = ReplayFeed::new(bars(50), 10);
        let now = UtcMs::new(50 * 60_000).unwrap();
        let answer = feed.fetch(Timeframe::M1.slot(60_000).unwrap(), now).unwrap().bars;
        assert_eq!((answer.len(), answer[0].ts.ts_ms()), (10, 41 * 60_000));
    }
}
