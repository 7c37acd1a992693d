//! A strategy that does what the bars tell it: the volume of a bar is the order. Small enough to check by hand.

use mjolnir::{
    domain::{
        bar::Bar,
        decision::{Decision, Degraded, Side, TradeEvent},
        money::Money,
        time::{SlotTs, Timeframe},
    },
    engine::{
        rules::{FillAt, Limits, OnTrip, Rules, StopFill},
        slot::SlotMaker,
        step::{Core, Engine},
        strategy::Strategy,
    },
    language::{Protection, RawDistances, RawProtect, RawRule, RawStrategy},
};
use rust_decimal::Decimal;

use super::strategies::strategy;

/// Volumes and what they order.
pub const HOLD: f64 = 1.0;
pub const LONG: f64 = 2.0;
pub const SHORT: f64 = 3.0;
pub const EXIT: f64 = 4.0;
pub const BROKEN: f64 = 5.0;
/// Nothing happens here, but what would have ended a position stands.
pub const PAST: f64 = 6.0;

#[derive(Clone, Copy)]
pub struct Scripted {
    pub protection: Protection,
    pub warm_up_bars: u32,
}

impl Scripted {
    /// The rules. What would have ended a position stands from an order to leave on: only what warms up longer has that rule, since it
    /// looks one bar back.
    pub fn strategy(&self) -> Strategy {
        let rule = |rule: &str, side: &str, when: &str| RawRule {
            rule: rule.to_owned(),
            side: Some(side.to_owned()),
            when: when.to_owned(),
        };
        let mut exit = vec![rule("told_exit", "both", "order == 4")];
        if self.warm_up_bars > 1 {
            exit.push(rule("told_before", "both", "crosses_above(order, bound)"));
        }
        // Unknown at the volume that breaks it.
        let broken = "sqrt((volume - 5) * (volume - 5) - 0.5)";
        let lets = [
            ("order", format!("if({broken} > 0, volume, volume)")),
            ("bound", "order * 0 + 3.5".to_owned()),
        ];
        let Protection { stop, target, trail, trail_from, break_even_at } = self.protection;
        let text = |distance: Option<f64>| distance.map(|distance| distance.to_string());
        let raw = RawStrategy {
            cadence_bars: self.warm_up_bars,
            sides: "both".to_owned(),
            lets: lets.map(|(name, text)| (name.to_owned(), text)).into(),
            enter: vec![
                rule("told_long", "long", "order == 2"),
                rule("told_short", "short", "order == 3"),
            ],
            exit,
            protect: RawProtect {
                both: RawDistances {
                    stop: text(stop),
                    target: text(target),
                    trail: text(trail),
                    trail_from: text(trail_from),
                    break_even_at: text(break_even_at),
                },
                ..RawProtect::default()
            },
            ..RawStrategy::default()
        };
        strategy(&raw, Timeframe::M1)
    }
}

/// Rules without costs and limits, from which a test departs.
pub fn plain_rules() -> Rules {
    Rules {
        fill_at: FillAt::NextOpen,
        stop_fill: StopFill::ThroughOpen,
        fee_bps: Decimal::ZERO,
        slippage_bps: Decimal::ZERO,
        cash: Money::new(Decimal::from(10_000)),
        notional: Money::new(Decimal::from(1_000)),
        leverage: Decimal::ONE,
        cadence_bars: 1,
        limits: Limits {
            cooldown_bars: 0,
            daily_loss_max: None,
            drawdown_max_pct: None,
            consecutive_stops_max: None,
            trades_per_day_max: None,
            position_max: None,
            on_trip: OnTrip::Reduce,
        },
    }
}

pub fn slot(n: i64) -> SlotTs {
    Timeframe::M1.slot(1_700_006_400_000 + n * 60_000).expect("on the grid")
}

/// One slot of a story: a bar `[open, high, low, close]` with an order, or a cause.
#[derive(Clone, Copy)]
pub enum At {
    Bar([f64; 4], f64),
    Flat(f64, f64),
    Degraded(Degraded, Option<([f64; 4], f64)>),
    Gone,
}

pub fn bar([open, high, low, close]: [f64; 4], order: f64) -> Bar {
    Bar::new([open, high, low, close, order]).expect("a bar")
}

/// Plays a story from slot 1 and writes one line per decision, each followed by its trade events.
pub fn play(strategy: Scripted, rules: Rules, story: &[At], maker: SlotMaker) -> String {
    let core = Core { strategy: strategy.strategy(), rules };
    let mut engine = Engine::new(core, Timeframe::M1);
    let mut maker = maker;
    let known = |at: At| match at {
        At::Bar(prices, order) => (Some(bar(prices, order)), None),
        At::Flat(price, order) => (Some(bar([price; 4], order)), None),
        At::Degraded(cause, known) => {
            (known.map(|(prices, order)| bar(prices, order)), Some(cause))
        }
        At::Gone => (None, None),
    };
    let mut out = String::new();
    for (n, at) in (1..).zip(story) {
        let (bar, degraded) = known(*at);
        let late = |ts: SlotTs| known(story[(ts.since(slot(0)) - 1) as usize]).0;
        let made = maker.make(slot(n), bar, degraded, late);
        let mut events = Vec::new();
        let decision = engine.step(&made, &mut events);
        out.push_str(&line(n, &decision));
        for event in &events {
            out.push_str(&event_line(event));
        }
    }
    out
}

fn line(n: i64, d: &Decision) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    format!(
        "{n:>2} {} {} {} | {} {} {} | {} {}\n",
        d.action.name(),
        d.reason,
        d.blocked_by.map_or("-", |b| b.name()),
        d.position.map_or("flat", Side::name),
        text(d.entry_px.map(|p| p.to_string())),
        text(d.stop_px.map(|p| p.to_string())),
        d.equity,
        d.risk_state.name(),
    )
}

fn event_line(e: &TradeEvent) -> String {
    format!(
        "   = {} {} {} at {} for {} fee {} pnl {} {}{}\n",
        e.ts.since(slot(0)),
        e.event.name(),
        e.side.name(),
        e.price,
        e.qty,
        e.fee,
        e.pnl,
        e.event.reason(),
        if e.ambiguous { " ambiguous" } else { "" },
    )
}
