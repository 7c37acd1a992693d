//! Figures of the closed trades.

use std::collections::BTreeMap;

use super::confidence::{mean, mean_and_sd};
use crate::domain::{
    decision::{CloseReason, Event, Side, TradeEvent},
    money::Money,
    time::SlotTs,
};

/// A position from its opening to its closing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTrip {
    /// The slot it was entered in.
    pub entry: SlotTs,
    /// The slot it was closed in.
    pub exit: SlotTs,
    /// Its side.
    pub side: Side,
    /// Result after both fees.
    pub pnl: Money,
    /// Why it was closed.
    pub reason: CloseReason,
    /// Stop and target lay inside one bar of it.
    pub ambiguous: bool,
}

/// The closed trades among `events`, oldest first. A trade opened before the first event lacks its opening fee; one that is
/// still open is no round trip.
pub fn round_trips(events: &[TradeEvent]) -> Vec<RoundTrip> {
    let mut open: Option<&TradeEvent> = None;
    let mut closed = Vec::new();
    for event in events {
        let reason = match event.event {
            Event::Open(_) => {
                open = Some(event);
                continue;
            }
            Event::Close(reason) => reason,
        };
        let opening =
            open.take().filter(|open| open.entry == event.entry && open.side == event.side);
        let ambiguous = event.ambiguous || opening.is_some_and(|open| open.ambiguous);
        let pnl = event.pnl + opening.map_or(Money::ZERO, |open| open.pnl);
        let (entry, side) = (event.entry, event.side);
        closed.push(RoundTrip { entry, exit: event.ts, side, pnl, reason, ambiguous });
    }
    closed
}

/// How often trades ended for one reason, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitStats {
    /// Trades.
    pub count: u64,
    /// Their results added up, after fees.
    pub pnl: Money,
}

/// Figures of closed trades. A trade wins with a result above zero after fees and loses with one below; zero is neither.
#[derive(Debug, Clone, PartialEq)]
pub struct TradeStats {
    /// Closed trades.
    pub trades: u64,
    /// Of these, winning.
    pub wins: u64,
    /// Of these, losing.
    pub losses: u64,
    /// `wins / trades`; `None` without trades.
    pub win_rate: Option<f64>,
    /// Results of the winning trades by those of the losing ones, as a positive number; `None` without a loss.
    pub profit_factor: Option<f64>,
    /// Mean result, in quote currency; `None` without trades.
    pub expectancy: Option<f64>,
    /// Mean of result by initial risk (R), over the trades with a known risk; `None` without such trades.
    pub expectancy_r: Option<f64>,
    /// How many trades have a known risk.
    pub trades_with_risk: u64,
    /// System quality number, `sqrt n * mean / sd` of the results (sample sd); `None` below two trades or without spread.
    pub sqn: Option<f64>,
    /// Mean number of slots from the entry slot to the exit slot, 0 within one bar; `None` without trades.
    pub hold_bars_mean: Option<f64>,
    /// Most winning trades in a row.
    pub win_streak_max: u64,
    /// Most losing trades in a row.
    pub loss_streak_max: u64,
    /// Fees of all events, those of a still open trade included.
    pub fees: Money,
    /// The trades by reason of their end.
    pub exits: BTreeMap<CloseReason, ExitStats>,
    /// Trades with stop and target inside one bar.
    pub ambiguous: u64,
}

impl TradeStats {
    /// Over the events of one run, in order. `initial_risk` tells what a trade stood to lose at its first stop, in quote
    /// currency, where that is known.
    pub fn of(events: &[TradeEvent], initial_risk: impl Fn(&RoundTrip) -> Option<f64>) -> Self {
        let trips = round_trips(events);
        let results: Vec<f64> = trips.iter().map(|trip| trip.pnl.float()).collect();
        let multiples: Vec<f64> = trips
            .iter()
            .zip(&results)
            .filter_map(|(trip, pnl)| Some(pnl / initial_risk(trip).filter(|risk| *risk > 0.0)?))
            .collect();
        let holds: Vec<f64> = trips.iter().map(|trip| trip.exit.since(trip.entry) as f64).collect();
        let count = |want: fn(&RoundTrip) -> bool| trips.iter().filter(|t| want(t)).count() as u64;
        let wins = count(|trip| trip.pnl > Money::ZERO);
        // Folded, not summed: the sum of nothing is a negative zero.
        let won = results.iter().filter(|pnl| **pnl > 0.0).fold(0.0, |sum, pnl| sum + pnl);
        let lost = results.iter().filter(|pnl| **pnl < 0.0).fold(0.0, |sum, pnl| sum + pnl);
        Self {
            trades: trips.len() as u64,
            wins,
            losses: count(|trip| trip.pnl < Money::ZERO),
            win_rate: (!trips.is_empty()).then(|| wins as f64 / trips.len() as f64),
            profit_factor: (lost < 0.0).then(|| won / -lost),
            expectancy: mean(&results),
            expectancy_r: mean(&multiples),
            trades_with_risk: multiples.len() as u64,
            sqn: mean_and_sd(&results).map(|(mean, sd)| (results.len() as f64).sqrt() * mean / sd),
            hold_bars_mean: mean(&holds),
            win_streak_max: streak_max(&trips, |trip| trip.pnl > Money::ZERO),
            loss_streak_max: streak_max(&trips, |trip| trip.pnl < Money::ZERO),
            fees: events.iter().fold(Money::ZERO, |fees, event| fees + event.fee),
            exits: exits(&trips),
            ambiguous: count(|trip| trip.ambiguous),
        }
    }
}

fn streak_max(trips: &[RoundTrip], counts: impl Fn(&RoundTrip) -> bool) -> u64 {
    let mut longest = 0;
    let mut running = 0;
    for trip in trips {
        running = if counts(trip) { running + 1 } else { 0 };
        longest = longest.max(running);
    }
    longest
}

fn exits(trips: &[RoundTrip]) -> BTreeMap<CloseReason, ExitStats> {
    let mut exits: BTreeMap<CloseReason, ExitStats> = BTreeMap::new();
    for trip in trips {
        let stats = exits.entry(trip.reason).or_default();
        stats.count += 1;
        stats.pnl += trip.pnl;
    }
    exits
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::domain::{
        decision::Reason,
        money::{Price, Qty},
        time::Timeframe,
    };

    fn money(cents: i64) -> Money {
        Money::new(Decimal::new(cents, 2))
    }

    fn event(at: i64, entry: i64, event: Event, pnl: Money, fee: Money) -> TradeEvent {
        let slot = |n: i64| Timeframe::M5.slot(n * 300_000).unwrap();
        TradeEvent {
            ts: slot(at),
            entry: slot(entry),
            event,
            side: Side::Long,
            price: Price::new(Decimal::ONE).unwrap(),
            qty: Qty::new(Decimal::ONE).unwrap(),
            fee,
            pnl,
            ambiguous: false,
        }
    }

    /// Both events of a trade that ends at `pnl` cents, half a unit of fee on each side included.
    fn trade(entry: i64, exit: i64, pnl: i64, reason: CloseReason) -> [TradeEvent; 2] {
        let fee = money(50);
        [
            event(entry, entry, Event::Open(Reason::new("rule")), -fee, fee),
            event(exit, entry, Event::Close(reason), money(pnl + 50), fee),
        ]
    }

    fn risk_of_twenty_before_ten(trip: &RoundTrip) -> Option<f64> {
        (trip.entry.ts_ms() < 10 * 300_000).then_some(20.0)
    }

    #[test]
    fn golden_figures_by_hand() {
        use CloseReason::{ExitSignal, StopGap, StopHit, TargetHit};
        let mut events = [
            trade(1, 4, 3000, TargetHit),
            trade(5, 5, -1000, StopHit),
            trade(6, 8, -2000, StopGap),
            trade(9, 19, 0, ExitSignal),
            trade(20, 25, 1000, TargetHit),
            trade(26, 27, 500, ExitSignal),
        ]
        .concat();
        events[3].ambiguous = true;
        events.push(event(30, 30, Event::Open(Reason::new("rule")), money(-50), money(50)));
        let stats = TradeStats::of(&events, risk_of_twenty_before_ten);
        assert_eq!((stats.trades, stats.wins, stats.losses), (6, 3, 2));
        assert_eq!(stats.win_rate, Some(0.5));
        // (30 + 10 + 5) / (10 + 20).
        assert_eq!(stats.profit_factor, Some(1.5));
        // (30 - 10 - 20 + 0 + 10 + 5) / 6.
        assert_eq!(stats.expectancy, Some(2.5));
        // (1.5 - 0.5 - 1 + 0) / 4.
        assert_eq!((stats.expectancy_r, stats.trades_with_risk), (Some(0.0), 4));
        // Squared deviations 756.25 + 156.25 + 506.25 + 6.25 + 56.25 + 6.25 = 1487.5; sd = sqrt(1487.5 / 5).
        let sqn = 6.0_f64.sqrt() * 2.5 / 297.5_f64.sqrt();
        assert!((stats.sqn.unwrap() - sqn).abs() < 1e-12);
        // (3 + 0 + 2 + 10 + 5 + 1) / 6.
        assert_eq!(stats.hold_bars_mean, Some(3.5));
        assert_eq!((stats.win_streak_max, stats.loss_streak_max), (2, 2));
        assert_eq!(stats.fees, money(650));
        assert_eq!(stats.ambiguous, 1);
        let exits: Vec<_> = stats.exits.iter().map(|(why, e)| (*why, e.count, e.pnl)).collect();
        let expected = [
            (StopHit, 1, money(-1000)),
            (StopGap, 1, money(-2000)),
            (TargetHit, 2, money(4000)),
            (ExitSignal, 2, money(500)),
        ];
        assert_eq!(exits, expected);
    }

    #[test]
    fn without_trades_or_losses_there_is_nothing_to_divide_by() {
        let none = TradeStats::of(&[], |_| None);
        assert_eq!((none.trades, none.win_rate, none.profit_factor), (0, None, None));
        assert_eq!((none.expectancy, none.sqn, none.hold_bars_mean), (None, None, None));
        let won = TradeStats::of(&trade(1, 2, 100, CloseReason::TargetHit), |_| Some(0.0));
        assert_eq!((won.win_rate, won.profit_factor, won.sqn), (Some(1.0), None, None));
        assert_eq!((won.expectancy, won.expectancy_r), (Some(1.0), None));
        let lost = TradeStats::of(&trade(1, 2, -100, CloseReason::StopHit), |_| None);
        assert_eq!(lost.profit_factor.map(f64::to_bits), Some(0.0_f64.to_bits()), "no minus zero");
    }

    #[test]
    fn a_trade_cut_off_by_the_window_is_counted_by_what_is_known() {
        let events = trade(1, 4, 3000, CloseReason::TargetHit);
        let trips = round_trips(&events[1..]);
        assert_eq!((trips.len(), trips[0].pnl), (1, money(3050)));
        assert!(round_trips(&events[..1]).is_empty());
    }
}
