//! Fills and their costs: how an order or a hit becomes money and a trade event.

use rust_decimal::Decimal;

use super::{
    position::{Hit, Position},
    rules::Rules,
    state::{Pending, State},
};
use crate::{
    domain::{
        decision::{CloseReason, Event, Reason, Side, TradeEvent},
        money::{Money, Price, Qty, Stake},
        time::SlotTs,
    },
    language::Protection,
};

/// The rules fills follow, and where their events go.
pub(super) struct FillContext<'a> {
    pub(super) rules: &'a Rules,
    pub(super) events: &'a mut Vec<TradeEvent>,
}

/// What is entered: the side, the rule that wants it, what it will be worth, and its protection.
type Entry<'a> = (Side, Reason, Money, &'a Protection);

impl State {
    /// Fills the pending order, if any, at a price of the slot `ts`.
    pub(super) fn fill_pending(&mut self, ts: SlotTs, at: Price, book: &mut FillContext<'_>) {
        match self.pending.take() {
            None => {}
            Some(Pending::Exit(reason)) => self.leave(ts, at, reason, book),
            Some(Pending::Enter { side, rule, value, protection }) => {
                if self.position.is_some_and(|held| held.side != side) {
                    self.leave(ts, at, CloseReason::Reversal, book);
                }
                // A reversal can cost all there is: then there is nothing to enter with, and the account is ruined.
                let ruined = self.cash <= Money::ZERO;
                if self.position.is_none() && !ruined {
                    self.enter(ts, at, (side, rule, value, &protection), book);
                }
            }
        }
    }

    /// Leaves the position by a market order.
    pub(super) fn leave(
        &mut self,
        ts: SlotTs,
        at: Price,
        reason: CloseReason,
        book: &mut FillContext<'_>,
    ) {
        let Some(held) = self.position else { return };
        let price = slipped(at, held.side.opposite(), book.rules.slippage_bps);
        self.close(ts, Hit { price, reason, ambiguous: false }, book);
    }

    /// Leaves the position where a stop or a target was hit. Stops slip, targets do not.
    pub(super) fn close_at_hit(&mut self, ts: SlotTs, hit: Hit, book: &mut FillContext<'_>) {
        let Some(held) = self.position else { return };
        let price = if hit.reason.is_stop() {
            slipped(hit.price, held.side.opposite(), book.rules.slippage_bps)
        } else {
            hit.price
        };
        self.close(ts, Hit { price, ..hit }, book);
    }

    fn enter(
        &mut self,
        ts: SlotTs,
        at: Price,
        (side, rule, value, protection): Entry<'_>,
        book: &mut FillContext<'_>,
    ) {
        let rules = book.rules;
        let price = slipped(at, side, rules.slippage_bps);
        let Some(qty) = Qty::bought(value, price) else { return };
        let fee = Money::bps(price.times(qty), rules.fee_bps, rules.grain());
        self.book(ts, -fee, rules);
        self.risk.entered(ts);
        self.position =
            Some(Position::open((side, ts), Stake::new(price, qty, rules.grain()), protection));
        let event = Event::Open(rule);
        book.events.push(TradeEvent {
            ts,
            entry: ts,
            event,
            side,
            price,
            qty,
            fee,
            pnl: -fee,
            ambiguous: false,
        });
    }

    fn close(&mut self, ts: SlotTs, hit: Hit, book: &mut FillContext<'_>) {
        let Some(held) = self.position else { return };
        let (Position { side, entry, .. }, qty, rules) = (held, held.qty(), book.rules);
        let fee = Money::bps(hit.price.times(qty), rules.fee_bps, rules.grain());
        let gross = held.gross(hit.price);
        let pnl = gross - fee;
        self.position = None;
        self.last_exit = Some(ts);
        self.open_result = Money::ZERO;
        self.book(ts, pnl, rules);
        if hit.reason.is_stop() {
            self.risk.stopped(ts, &rules.limits);
        } else {
            self.risk.stops_in_a_row = 0;
        }
        let event = Event::Close(hit.reason);
        let ambiguous = hit.ambiguous;
        book.events.push(TradeEvent {
            ts,
            entry,
            event,
            side,
            price: hit.price,
            qty,
            fee,
            pnl,
            ambiguous,
        });
    }

    fn book(&mut self, ts: SlotTs, result: Money, rules: &Rules) {
        self.cash += result;
        self.risk.booked(ts, result, &rules.limits);
    }
}

/// A price moved against whoever trades on `side`: buyers pay more, sellers get less.
fn slipped(price: Price, side: Side, slippage_bps: Decimal) -> Price {
    if slippage_bps.is_zero() {
        return price;
    }
    let part = price.bps(slippage_bps);
    let moved = match side {
        Side::Long => part,
        Side::Short => -part,
    };
    price.moved(moved).unwrap_or(price)
}
