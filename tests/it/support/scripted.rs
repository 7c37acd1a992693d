//! A strategy that does what the bars tell it: the volume of a bar is the order. Small enough to check by hand.

use mjolnir::{
    domain::{
        bar::Bar,
        decision::{Decision, Degraded, Side},
        money::Money,
        time::{SlotTs, Timeframe},
        trade::TradeEvent,
    },
    engine::{
        rules::{FillAt, Limits, OnTrip, Rules, StopFill},
        slot::SlotMaker,
        step::{Core, Engine},
        strategy::{Features, Intent, Protection, Strategy},
    },
};
use rust_decimal::Decimal;

/// Volumes and what they order.
pub const HOLD: f64 = 1.0;
pub const LONG: f64 = 2.0;
pub const SHORT: f64 = 3.0;
pub const EXIT: f64 = 4.0;
pub const BROKEN: f64 = 5.0;
/// Nothing happens here, but what would have ended a position stands.
pub const PAST: f64 = 6.0;

#[derive(Clone)]
pub struct Scripted {
    pub protection: Protection,
    pub warm_up_bars: u32,
}

#[derive(Clone)]
pub struct Echo;

impl Features for Echo {
    type Values = [f64; 2];

    fn update(&mut self, bar: &Bar) -> [f64; 2] {
        let close = if bar.volume() == BROKEN { f64::NAN } else { bar.close() };
        [close, bar.volume()]
    }
}

impl Strategy for Scripted {
    type Features = Echo;
    const NAME: &'static str = "scripted";

    fn feature_names(&self) -> Vec<String> {
        ["close", "order"].map(str::to_owned).to_vec()
    }

    fn entry_rules(&self) -> &'static [&'static str] {
        &["told_long", "told_short"]
    }

    fn warm_up_bars(&self) -> u32 {
        self.warm_up_bars
    }

    fn features(&self) -> Echo {
        Echo
    }

    fn overdue(&self, values: &[f64; 2], _: Side) -> Option<&'static str> {
        (values[1] == PAST).then_some("told_before")
    }

    fn decide(&self, _: SlotTs, values: &[f64; 2], _: Option<i64>, _: Option<Side>) -> Intent {
        match values[1] {
            LONG => Intent::Enter(Side::Long, "told_long", self.protection),
            SHORT => Intent::Enter(Side::Short, "told_short", self.protection),
            EXIT => Intent::Exit("told_exit"),
            _ => Intent::Hold("told_nothing"),
        }
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
            daily_loss: None,
            drawdown_pct: None,
            consecutive_stops: None,
            trades_per_day: None,
            position: None,
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
    let mut engine = Engine::new(Core { strategy, rules }, Timeframe::M1);
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
