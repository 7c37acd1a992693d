//! Trades with what happened between their two fills: how far the price went for and against them, and where their stop was.

use serde::Serialize;

use crate::domain::{
    bar::Bar,
    decision::{CloseReason, Event, Side, TradeEvent},
    time::SlotTs,
};

/// A closed trade.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trade {
    /// Slot of the entry, milliseconds UTC.
    pub entry_ts_ms: i64,
    /// Slot of the exit.
    pub exit_ts_ms: i64,
    /// `long` or `short`.
    pub side: &'static str,
    /// The entry rule.
    pub rule: String,
    /// Why it was closed.
    pub exit: &'static str,
    /// Quantity.
    pub qty: f64,
    /// Price paid at the entry.
    pub entry_px: f64,
    /// Price paid at the exit.
    pub exit_px: f64,
    /// Fees of both.
    pub fees: f64,
    /// Result after fees, in quote currency.
    pub pnl: f64,
    /// Slots from entry to exit.
    pub bars: i64,
    /// Maximum adverse excursion: the deepest move against it, a part of the entry price; zero or less.
    pub mae: f64,
    /// Maximum favourable excursion: the furthest move in its favour, a part of the entry price; zero or more.
    pub mfe: f64,
    /// Its stop after the entry slot; absent without one.
    pub stop_first: Option<f64>,
    /// Its stop before the exit slot.
    pub stop_last: Option<f64>,
    /// How far beyond the stop a `stop_gap` was filled, a part of the stop; below zero is better than the stop.
    pub beyond: Option<f64>,
    /// Of an ambiguous trade, the result if its target had come first, at most: by the far end of the bar, which the target is inside.
    pub pnl_most: Option<f64>,
}

impl Trade {
    /// Whether stop and target lay inside one bar of it.
    pub fn is_ambiguous(&self) -> bool {
        self.pnl_most.is_some()
    }

    /// What it would have lost at its first stop, in quote currency; `None` where the stop secures a gain or is not known.
    pub fn risk(&self) -> Option<f64> {
        let stop = self.stop_first?;
        let distance = match self.side {
            "long" => self.entry_px - stop,
            _ => stop - self.entry_px,
        };
        Some(distance * self.qty).filter(|risk| *risk > 0.0)
    }
}

/// Where the fills of signals lie in their bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fills {
    /// At its open: the rest of the bar belongs to the position.
    AtOpen,
    /// At its close: the bar was over.
    AtClose,
}

#[derive(Debug)]
struct Held {
    opening: TradeEvent,
    low: f64,
    high: f64,
    stop_first: Option<f64>,
    stop: Option<f64>,
}

impl Held {
    fn reach(&mut self, low: f64, high: f64) {
        (self.low, self.high) = (self.low.min(low), self.high.max(high));
    }
}

/// Follows the position slot by slot.
#[derive(Debug)]
pub struct Tracker {
    fills: Fills,
    held: Option<Held>,
    closed: Vec<Trade>,
}

impl Tracker {
    /// Before the first slot.
    pub fn new(fills: Fills) -> Self {
        Self { fills, held: None, closed: Vec::new() }
    }

    /// The next slot: its bar, the stop after it, what happened in it.
    pub fn take(&mut self, ts: SlotTs, bar: Option<Bar>, stop: Option<f64>, events: &[TradeEvent]) {
        for event in events {
            match event.event {
                Event::Open(_) => {
                    let price = event.price.float();
                    self.held = Some(Held {
                        opening: *event,
                        low: price,
                        high: price,
                        stop_first: None,
                        stop: None,
                    });
                }
                Event::Close(reason) => {
                    if let Some(held) = self.held.take() {
                        self.close(held, event, reason, bar);
                    }
                }
            }
        }
        if let Some(held) = &mut self.held {
            if let Some(bar) = bar.filter(|_| held.opening.ts < ts || self.fills == Fills::AtOpen) {
                held.reach(bar.low(), bar.high());
            }
            held.stop_first = held.stop_first.or(stop);
            held.stop = stop;
        }
    }

    /// The opening of a position that is still held.
    pub fn held(&self) -> Option<&TradeEvent> {
        self.held.as_ref().map(|held| &held.opening)
    }

    /// The closed trades, oldest first.
    pub fn finish(self) -> Vec<Trade> {
        self.closed
    }

    fn close(&mut self, mut held: Held, event: &TradeEvent, reason: CloseReason, bar: Option<Bar>) {
        let opening = held.opening;
        let (entry, exit) = (opening.price.float(), event.price.float());
        let began_before = opening.ts < event.ts || self.fills == Fills::AtOpen;
        if let Some(bar) = bar.filter(|_| began_before && lasts_to_the_close(reason, self.fills)) {
            held.reach(bar.low(), bar.high());
        }
        held.reach(exit, exit);
        let (down, up) = ((held.low - entry) / entry, (held.high - entry) / entry);
        let qty = event.qty.get().try_into().unwrap_or(f64::NAN);
        let pnl = (opening.pnl + event.pnl).float();
        let (mae, mfe, better) = match opening.side {
            Side::Long => (down, up, bar.map(|bar| bar.high() - exit)),
            Side::Short => (-up, -down, bar.map(|bar| exit - bar.low())),
        };
        let beyond = |level: f64| match opening.side {
            Side::Long => (level - exit) / level,
            Side::Short => (exit - level) / level,
        };
        let is_ambiguous = opening.ambiguous || event.ambiguous;
        self.closed.push(Trade {
            entry_ts_ms: opening.ts.ts_ms(),
            exit_ts_ms: event.ts.ts_ms(),
            side: opening.side.name(),
            rule: opening.event.reason().to_owned(),
            exit: reason.name(),
            qty,
            entry_px: entry,
            exit_px: exit,
            fees: (opening.fee + event.fee).float(),
            pnl,
            bars: event.ts.since(opening.ts),
            mae: mae.min(0.0),
            mfe: mfe.max(0.0),
            stop_first: held.stop_first,
            stop_last: held.stop,
            beyond: held.stop.filter(|_| reason == CloseReason::StopGap).map(beyond),
            pnl_most: is_ambiguous.then(|| pnl + better.unwrap_or(0.0).max(0.0) * qty),
        });
    }
}

/// Whether a position that was closed in a bar was held until that bar was over.
fn lasts_to_the_close(reason: CloseReason, fills: Fills) -> bool {
    match reason {
        CloseReason::StopHit | CloseReason::StopGap | CloseReason::TargetHit => false,
        CloseReason::ExitSignal | CloseReason::Reversal | CloseReason::KillSwitch => {
            fills == Fills::AtClose
        }
        CloseReason::EndOfWindow => true,
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::domain::{
        decision::Reason,
        money::{Money, Price, Qty},
        time::Timeframe,
    };

    fn slot(n: i64) -> SlotTs {
        Timeframe::M5.slot(n * 300_000).unwrap()
    }

    fn event(at: i64, entry: i64, what: Event, (side, price): (Side, i64), pnl: i64) -> TradeEvent {
        TradeEvent {
            ts: slot(at),
            entry: slot(entry),
            event: what,
            side,
            price: Price::new(Decimal::from(price)).unwrap(),
            qty: Qty::new(Decimal::from(2)).unwrap(),
            fee: Money::new(Decimal::ONE),
            pnl: Money::new(Decimal::from(pnl)),
            ambiguous: false,
        }
    }

    fn bar(low: f64, high: f64) -> Bar {
        Bar::new([low, high, low, high, 1.0]).unwrap()
    }

    const RULE: Event = Event::Open(Reason::new("cross"));

    /// A long position of 100 that is stopped at 97, two beyond its stop: bars of 98..104 and 99..110 are inside it, the last one
    /// (90..120) is not, but its fill is.
    fn stopped(fills: Fills, reason: CloseReason) -> Trade {
        let mut tracker = Tracker::new(fills);
        tracker.take(
            slot(1),
            Some(bar(98.0, 104.0)),
            Some(95.0),
            &[event(1, 1, RULE, (Side::Long, 100), -1)],
        );
        assert_eq!(tracker.held().unwrap().ts, slot(1));
        tracker.take(slot(2), Some(bar(99.0, 110.0)), Some(99.0), &[]);
        let close = event(3, 1, Event::Close(reason), (Side::Long, 97), -7);
        tracker.take(slot(3), Some(bar(90.0, 120.0)), None, &[close]);
        assert!(tracker.held().is_none());
        tracker.finish().remove(0)
    }

    #[test]
    fn excursions_count_bars_that_are_inside_and_both_fills() {
        let trade = stopped(Fills::AtOpen, CloseReason::StopGap);
        assert_eq!((trade.mae, trade.mfe), (-0.03, 0.1));
        assert_eq!((trade.stop_first, trade.stop_last), (Some(95.0), Some(99.0)));
        assert_eq!(trade.beyond, Some(2.0 / 99.0));
        // Two units at five below the entry.
        assert_eq!(trade.risk(), Some(10.0));
        assert_eq!((trade.pnl, trade.fees, trade.bars), (-8.0, 2.0, 2));
        assert_eq!((trade.rule.as_str(), trade.exit, trade.pnl_most), ("cross", "stop_gap", None));
        // Filled at the close, the entry bar is over; a stop ends the last one somewhere inside.
        let trade = stopped(Fills::AtClose, CloseReason::StopHit);
        assert_eq!((trade.mae, trade.mfe, trade.beyond), (-0.03, 0.1, None));
        // A signal at the close, and the end of the window, see the whole last bar; a signal at the open sees nothing of it.
        for (fills, reason, mae) in [
            (Fills::AtClose, CloseReason::ExitSignal, -0.1),
            (Fills::AtOpen, CloseReason::EndOfWindow, -0.1),
            (Fills::AtOpen, CloseReason::ExitSignal, -0.03),
        ] {
            assert_eq!(stopped(fills, reason).mae, mae, "{fills:?} {reason:?}");
        }
    }

    #[test]
    fn a_short_trade_is_the_mirror() {
        let mut tracker = Tracker::new(Fills::AtClose);
        let open = event(1, 1, RULE, (Side::Short, 100), -1);
        tracker.take(slot(1), Some(bar(50.0, 200.0)), Some(110.0), &[open]);
        tracker.take(slot(2), Some(bar(80.0, 104.0)), Some(110.0), &[]);
        let mut close = event(3, 1, Event::Close(CloseReason::StopGap), (Side::Short, 121), -43);
        close.ambiguous = true;
        tracker.take(slot(3), Some(bar(85.0, 125.0)), None, &[close]);
        let trade = tracker.finish().remove(0);
        // 80 is a fifth below 100, the fill at 121 more than a fifth above; the entry bar was over.
        assert_eq!((trade.mae, trade.mfe), (-0.21, 0.2));
        assert_eq!((trade.beyond, trade.risk()), (Some(0.1), Some(20.0)));
        // Two units, from 121 to the low of 85: 72 better than -44.
        assert_eq!((trade.pnl, trade.pnl_most), (-44.0, Some(28.0)));
        assert!(trade.is_ambiguous());
    }

    #[test]
    fn a_close_without_its_opening_is_not_a_trade() {
        let mut tracker = Tracker::new(Fills::AtOpen);
        let close = event(2, 1, Event::Close(CloseReason::StopHit), (Side::Long, 97), -7);
        tracker.take(slot(2), None, None, &[close]);
        assert!(tracker.finish().is_empty());
    }
}
