//! Feeds: what a live loop asks of a venue; a recorded series served as a venue would have served it, at any instant only what had
//! opened by then, with the newest bar still forming and therefore wrong; and a seeded market, of which every bar is a pure function of
//! seed and slot.

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::venue::answer::FaultClass;
use crate::domain::{
    bar::{Bar, Shown, TimedBar},
    time::{SlotTs, Steady, UtcMs, Window},
};

/// Why a venue did not answer with bars.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{venue} gave no bars: {why} ({url})")]
pub struct FeedError {
    pub venue: String,
    /// What was asked, without secrets.
    pub url: String,
    /// What can be done about it.
    pub class: FaultClass,
    pub why: String,
    /// The venue wants to be left alone for so long, milliseconds.
    pub pause_ms: Option<i64>,
}

/// A source of recent bars.
pub trait Feed {
    /// The bars that close at `since` or later, as known at `now`, in any order, the newest possibly still forming.
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Shown, FeedError>;

    /// When the feed has nothing more to tell; `None` for a venue that goes on.
    fn ends(&self) -> Option<UtcMs>;

    /// What time the venue's answers so far say that it is at `up`.
    fn heard(&self, _up: Steady) -> Option<Heard> {
        None
    }
}

/// The time of a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// What time it is there.
    pub at: UtcMs,
    /// Whether enough answers agree on it. One alone may be wrong.
    pub is_sure: bool,
}

/// Time, as the loop has it, and waiting between two requests.
pub trait Sleeper {
    /// The time of day.
    fn now(&self) -> UtcMs;

    /// The time that never jumps.
    fn steady(&self) -> Steady;

    /// Waits until the steady clock shows `until`; `false` when asked to stop meanwhile.
    fn wait_until(&self, until: Steady) -> bool;

    fn stopped(&self) -> bool;
}

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

/// Octaves of the price path: waves of 1 to 2048 bars.
const OCTAVES: u32 = 12;
/// Size of the one-bar wave, as a fraction of the price; longer waves grow with the square root of their length.
const WAVE: f64 = 0.0008;
const PRICE: f64 = 20_000.0;

/// The bars of a window, with one bar in 400 absent, as on a real venue.
pub fn seeded_bars(seed: u64, window: Window) -> Vec<TimedBar> {
    window.iter().filter_map(|ts| seeded_bar(seed, ts).map(|bar| TimedBar { ts, bar })).collect()
}

/// The bar of one slot; `None` when it has no trade.
pub fn seeded_bar(seed: u64, ts: SlotTs) -> Option<Bar> {
    let index = ts.ts_ms() / ts.timeframe().ms();
    if draw(seed, 100, index) < 1.0 / 400.0 {
        return None;
    }
    let jump =
        if draw(seed, 101, index) < 0.02 { (draw(seed, 102, index) - 0.5) * 0.01 } else { 0.0 };
    let open = price(seed, index - 1) * (1.0 + jump);
    let close = price(seed, index);
    let wick = |salt| 1.0 + 0.0015 * draw(seed, salt, index);
    let high = open.max(close) * wick(103);
    let low = open.min(close) / wick(104);
    let volume = 1.0 + 50.0 * draw(seed, 105, index);
    let [open, high, low, close] = [open, high, low, close].map(|x| (x * 100.0).round() / 100.0);
    let volume = (volume * 1e5).round() / 1e5;
    Some(Bar::new([open, high, low, close, volume]).expect("a made bar is a bar"))
}

fn price(seed: u64, index: i64) -> f64 {
    let path: f64 = (0..OCTAVES)
        .map(|octave| {
            let length = 1_i64 << octave;
            let (cell, inside) = (index.div_euclid(length), index.rem_euclid(length));
            let part = inside as f64 / length as f64;
            let (a, b) = (draw(seed, octave, cell), draw(seed, octave, cell + 1));
            (a + (b - a) * part - 0.5) * WAVE * (length as f64).sqrt()
        })
        .sum();
    PRICE * libm::exp(path)
}

/// A number in 0..1 that depends on its arguments alone.
pub(super) fn draw(seed: u64, salt: u32, index: i64) -> f64 {
    let mut bytes = [0_u8; 12];
    bytes[..4].copy_from_slice(&salt.to_le_bytes());
    bytes[4..].copy_from_slice(&index.to_le_bytes());
    (xxh3_64_with_seed(&bytes, seed) >> 11) as f64 / (1_u64 << 53) as f64
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

    #[test]
    fn any_window_shows_the_same_market_and_another_seed_another_one() {
        let first = Timeframe::M5.slot(1_700_000_100_000).unwrap();
        let whole = seeded_bars(7, Window::new(first, first.plus(2_000)).unwrap());
        let part = seeded_bars(7, Window::new(first.plus(500), first.plus(600)).unwrap());
        let from_whole: Vec<_> =
            whole.iter().filter(|b| (500..=600).contains(&b.ts.since(first))).copied().collect();
        assert_eq!(part, from_whole);
        assert_ne!(part, seeded_bars(8, Window::new(first.plus(500), first.plus(600)).unwrap()));
        let absent = 2_001 - whole.len();
        assert!((1..20).contains(&absent), "{absent} absent bars");
    }
}
