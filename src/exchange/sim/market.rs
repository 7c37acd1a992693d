//! The market behind a simulated venue: its bars by slot, and what of them can be seen at an instant.

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        time::{SlotTs, Timeframe, UtcMs},
    },
    exchange::feed::{self, draw},
};

/// A revised bar changes this many bars after its close at the latest.
const REVISED_AFTER_MAX: f64 = 8.0;
/// Slots in a row without a trade; a made-up market never has as many.
const QUIET_MAX: i64 = 64;

/// What is wrong with the bars themselves: chances from 0 to 1 for every slot, the same in every answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MarketTrouble {
    /// Chooses the slots.
    pub seed: u64,
    /// The bar is never there, as after an outage.
    pub holes: f64,
    /// The bar is there only some time after its close.
    pub late: f64,
    /// How many bars after its close a late bar comes.
    pub late_bars: u32,
    /// The bar changes once, one to eight bars after its close. What it changes to is what the market holds.
    pub revise: f64,
}

impl MarketTrouble {
    fn hits(&self, chance: f64, salt: u32, ts: SlotTs) -> bool {
        draw(self.seed, salt, index(ts)) < chance
    }

    fn is_hole(&self, ts: SlotTs) -> bool {
        self.hits(self.holes, 200, ts)
    }

    /// When the bar is first shown.
    fn shown_from(&self, ts: SlotTs) -> UtcMs {
        if self.hits(self.late, 201, ts) {
            ts.plus(self.late_bars.into()).close()
        } else {
            UtcMs::EPOCH.plus_ms(ts.open_ms())
        }
    }

    /// When the bar has become what it stays.
    fn settled_from(&self, ts: SlotTs) -> UtcMs {
        if self.hits(self.revise, 202, ts) {
            let after = 1.0 + draw(self.seed, 203, index(ts)) * REVISED_AFTER_MAX;
            ts.plus(after as i64).close()
        } else {
            ts.close()
        }
    }
}

fn index(ts: SlotTs) -> i64 {
    ts.ts_ms() / ts.timeframe().ms()
}

/// Bars by slot. A bar with a volume of 0 is a slot without a trade; no bar at all is an outage.
#[derive(Debug, Clone)]
pub struct SimMarket {
    bars: Bars,
    first: SlotTs,
    trouble: MarketTrouble,
}

#[derive(Debug, Clone)]
enum Bars {
    MadeUp {
        seed: u64,
    },
    /// Sorted, unique, not empty.
    Recorded(Vec<TimedBar>),
}

impl SimMarket {
    /// Made-up bars from `first` on, without an end.
    pub fn made_up(seed: u64, first: SlotTs, trouble: MarketTrouble) -> Self {
        Self { bars: Bars::MadeUp { seed }, first, trouble }
    }

    /// Recorded bars, sorted and unique; `None` when there are none.
    pub fn recorded(bars: Vec<TimedBar>, trouble: MarketTrouble) -> Option<Self> {
        assert!(bars.is_sorted_by(|a, b| a.ts < b.ts), "a recorded series is sorted and unique");
        let first = bars.first()?.ts;
        Some(Self { bars: Bars::Recorded(bars), first, trouble })
    }

    /// The length of its bars.
    pub fn timeframe(&self) -> Timeframe {
        self.first.timeframe()
    }

    /// The slot that is open at `now`, or the last one of a recording that is over; `None` before the first bar.
    pub fn newest(&self, now: UtcMs) -> Option<SlotTs> {
        let open = self.first.plus((now.get() - self.first.open_ms()) / self.timeframe().ms());
        let newest = match &self.bars {
            Bars::MadeUp { .. } => open,
            Bars::Recorded(bars) => bars.last().map_or(open, |last| last.ts.min(open)),
        };
        (now.get() >= self.first.open_ms()).then_some(newest)
    }

    /// The bars that open between two times (milliseconds, both included), as they are seen at `now`, oldest first.
    pub fn between(
        &self,
        first_open_ms: i64,
        last_open_ms: i64,
        now: UtcMs,
    ) -> impl DoubleEndedIterator<Item = TimedBar> {
        let (tf_ms, start_ms) = (self.timeframe().ms(), self.first.open_ms());
        let newest = self.newest(now).map_or(-1, |newest| newest.since(self.first));
        let from = first_open_ms.saturating_sub(start_ms).saturating_add(tf_ms - 1);
        let to = last_open_ms.saturating_sub(start_ms);
        let (from, to) = (from.div_euclid(tf_ms).max(0), to.div_euclid(tf_ms).min(newest));
        (from..=to).filter_map(move |n| self.seen(self.first.plus(n), now))
    }

    fn seen(&self, ts: SlotTs, now: UtcMs) -> Option<TimedBar> {
        let bar = self.bar(ts)?;
        if self.trouble.is_hole(ts) || now < self.trouble.shown_from(ts) {
            return None;
        }
        let bar = if now < self.trouble.settled_from(ts) { unsettled(&bar) } else { bar };
        Some(TimedBar { ts, bar })
    }

    /// What really happened.
    fn bar(&self, ts: SlotTs) -> Option<Bar> {
        match &self.bars {
            Bars::MadeUp { seed } => feed::seeded_bar(*seed, ts).or_else(|| {
                let mut before = (1..=QUIET_MAX).map(|back| ts.plus(-back));
                before.find_map(|ts| feed::seeded_bar(*seed, ts)).map(|bar| bar.flat())
            }),
            Bars::Recorded(bars) => {
                let at = bars.binary_search_by_key(&ts, |bar| bar.ts).ok()?;
                Some(bars[at].bar)
            }
        }
    }
}

/// A bar before it is final: another close, and half the volume. A bar without a trade stays as it is.
fn unsettled(bar: &Bar) -> Bar {
    let close = if bar.close() == bar.high() { bar.low() } else { bar.high() };
    let values = [bar.open(), bar.high(), bar.low(), close, bar.volume() * 0.5];
    Bar::new(values).expect("its high is the highest still, its low the lowest")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_MS: i64 = 1_704_067_500_000;

    fn first() -> SlotTs {
        Timeframe::M5.slot(FIRST_MS).unwrap()
    }

    fn market(trouble: MarketTrouble) -> SimMarket {
        SimMarket::made_up(7, first(), trouble)
    }

    /// A moment inside the bar that closes at the `n`th slot.
    fn inside(n: i64) -> UtcMs {
        first().plus(n).close().plus_ms(-1)
    }

    fn all(market: &SimMarket, now: UtcMs) -> Vec<TimedBar> {
        market.between(i64::MIN, i64::MAX, now).collect()
    }

    #[test]
    fn the_open_bar_is_wrong_and_the_closed_ones_are_the_made_up_market() {
        let market = market(MarketTrouble::default());
        let seen = all(&market, inside(999));
        assert_eq!(seen.len(), 1000, "slots without a trade are flat, not absent");
        let truth = |bar: &TimedBar| feed::seeded_bar(7, bar.ts);
        let (open, closed) = seen.split_last().unwrap();
        assert_ne!(Some(open.bar), truth(open));
        let flat = closed.iter().filter(|bar| truth(bar).is_none()).inspect(|bar| {
            assert_eq!(bar.bar, market.bar(bar.ts.plus(-1)).unwrap().flat());
        });
        assert!(flat.count() > 0);
        assert!(closed.iter().all(|bar| truth(bar).is_none_or(|truth| truth == bar.bar)));
        assert_eq!(all(&market, inside(0)).len(), 1);
        assert_eq!(all(&market, inside(-1)).len(), 0, "before the first bar there is nothing");
    }

    #[test]
    fn a_range_takes_the_bars_that_open_inside_it() {
        let (market, now) = (market(MarketTrouble::default()), inside(9));
        let opens = |from, to| -> Vec<i64> {
            let open = |bar: TimedBar| bar.ts.since(first());
            market.between(from, to, now).map(open).collect()
        };
        let open_ms = |n: i64| first().plus(n).open_ms();
        assert_eq!(opens(open_ms(2), open_ms(4)), [2, 3, 4]);
        assert_eq!(opens(open_ms(2) + 1, open_ms(4) - 1), [3]);
        assert_eq!(opens(open_ms(8), i64::MAX), [8, 9]);
        assert_eq!(opens(i64::MIN, open_ms(1)), [0, 1]);
        assert_eq!(opens(open_ms(4), open_ms(2)), [0; 0]);
        assert_eq!(opens(i64::MAX, i64::MAX), [0; 0]);
    }

    #[test]
    fn a_recording_ends_and_its_gaps_stay() {
        let bar = |n: i64| TimedBar {
            ts: first().plus(n),
            bar: feed::seeded_bar(7, first().plus(n)).unwrap(),
        };
        let bars = vec![bar(0), bar(1), bar(4)];
        let market = SimMarket::recorded(bars.clone(), MarketTrouble::default()).unwrap();
        assert_eq!(all(&market, inside(4).plus_ms(1)), bars);
        assert_eq!(market.newest(inside(50)), Some(first().plus(4)));
        assert!(SimMarket::recorded(vec![], MarketTrouble::default()).is_none());
    }

    #[test]
    fn troubled_slots_are_the_same_in_every_answer() {
        let trouble = MarketTrouble { seed: 3, holes: 0.1, late: 0.1, late_bars: 2, revise: 0.1 };
        let (market, clean) = (market(trouble), market(MarketTrouble::default()));
        let at = |now| all(&market, now);
        let now = inside(500);
        let whole = at(now);
        let part: Vec<_> =
            market.between(first().plus(100).open_ms(), first().plus(200).open_ms(), now).collect();
        let same: Vec<_> =
            whole.iter().filter(|b| (100..=200).contains(&b.ts.since(first()))).copied().collect();
        assert_eq!(part, same);
        assert_eq!(whole, at(now), "the same seed, the same market");
        let other = SimMarket::made_up(7, first(), MarketTrouble { seed: 4, ..trouble });
        assert_ne!(whole, all(&other, now));
        // Long after, only the holes are left, and every other bar is the true one.
        let (settled, truth) = (at(inside(600)), all(&clean, inside(600)));
        let settled: Vec<_> = settled.iter().filter(|b| b.ts.since(first()) < 580).collect();
        assert!(settled.iter().all(|bar| truth.contains(bar)));
        assert!((480..560).contains(&settled.len()), "{}", settled.len());
    }

    #[test]
    fn a_late_bar_comes_later_and_a_revised_one_changes_once() {
        let late = MarketTrouble { seed: 3, late: 1.0, late_bars: 2, ..MarketTrouble::default() };
        let seen = all(&market(late), inside(10).plus_ms(1));
        assert_eq!(seen.last().unwrap().ts, first().plus(8), "two bars after its close");
        let revise = market(MarketTrouble { seed: 3, revise: 1.0, ..MarketTrouble::default() });
        let truth = revise.bar(first()).unwrap();
        let seen: Vec<Bar> = (0..12)
            .map(|n| revise.between(first().open_ms(), first().open_ms(), inside(n)))
            .map(|mut bars| bars.next().unwrap().bar)
            .collect();
        let changes = seen.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!((changes, seen.last()), (1, Some(&truth)));
        assert_ne!(seen[1], truth, "it has closed and is still another");
    }
}
