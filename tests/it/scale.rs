//! A market times a power of ten is the same market; and no exit lies outside the bar it happened in.

use mjolnir::{
    domain::{
        bar::Bar,
        decision::{Decision, Event, TradeEvent},
        money::{Money, Price},
        time::{SlotTs, Timeframe},
    },
    engine::{
        rules::{FillAt, Limits, Rules, StopFill},
        slot::SlotMaker,
        step::{Core, Engine},
    },
    setting::Dec,
};
use rust_decimal::Decimal;

use crate::support::{
    market::Dice,
    scripted::plain_rules,
    strategies::{Stops, ema_atr, rsi_revert},
};

/// A bar in ticks, or none.
type Ticks = Option<[i64; 4]>;

fn slot(n: usize) -> SlotTs {
    Timeframe::M5.slot(1_700_006_400_000 + 300_000 * n as i64).expect("on the grid")
}

/// A market around 30 000.00 in hundredths, with a jump now and then and a few holes.
fn ticks(dice: &mut Dice, slots: usize) -> Vec<Ticks> {
    let mut price = 3_000_000 + dice.below(100_000) as i64;
    let mut part = |most: i64| dice.below(2 * most as u64 + 1) as i64 - most;
    (0..slots)
        .map(|_| {
            let jump = if part(20) == 0 { part(150_000) } else { part(2_000) };
            let open = (price + jump).max(100_000);
            price = (open + part(15_000)).max(100_000);
            let (up, down) = (part(4_000).abs(), part(4_000).abs());
            let bar = [open, open.max(price) + up, open.min(price) - down, price];
            (part(30) != 0).then_some(bar)
        })
        .collect()
}

/// The bars in hundredths times a power of ten, each price the float nearest to its digits.
fn bars(ticks: &[Ticks], power: i32) -> Vec<Option<Bar>> {
    let price = |ticks: i64| format!("{ticks}e{}", power - 2).parse::<f64>().expect("a number");
    let bar = |ticks: &[i64; 4]| {
        let [open, high, low, close] = ticks.map(price);
        Bar::new([open, high, low, close, 1.0]).expect("a bar")
    };
    ticks.iter().map(|ticks| ticks.as_ref().map(bar)).collect()
}

fn play(core: &Core, bars: &[Option<Bar>]) -> (Vec<Decision>, Vec<TradeEvent>) {
    let mut engine = Engine::new(core.clone(), Timeframe::M5);
    let mut maker = SlotMaker::default();
    let mut events = Vec::new();
    let decisions = bars.iter().enumerate().map(|(n, bar)| {
        let slot = maker.make(slot(n), *bar, None, |_| None);
        engine.step(&slot, &mut events)
    });
    (decisions.collect(), events)
}

fn stops(target: Option<f64>, trail: Option<f64>) -> Stops {
    Stops { atr: 5, stop: 1.3, target, trail }
}

fn costly() -> Rules {
    Rules {
        fee_bps: Decimal::new(75, 1),
        slippage_bps: Decimal::new(33, 1),
        cadence_bars: 3,
        ..plain_rules()
    }
}

fn trend(rules: Rules, stops: Stops) -> Core {
    Core { strategy: ema_atr([3, 8], stops, Timeframe::M5), rules }
}

fn revert(rules: Rules, stops: Stops) -> Core {
    Core { strategy: rsi_revert(4, [35.3, 64.9, 52.1], stops, Timeframe::M5), rules }
}

/// A millionth of what a position is worth.
fn hair(rules: &Rules) -> Decimal {
    rules.notional.get() / Decimal::from(1_000_000)
}

fn same_at_every_scale(core: &Core, ticks: &[Ticks], what: &str) -> usize {
    let (decisions, events) = play(core, &bars(ticks, 0));
    let hair = hair(&core.rules);
    // From about 3e-12 to about 3e11: what the contract promises, and the ends of what a price may be.
    for power in (-9..=6).chain([-16, 7]) {
        let (scaled, scaled_events) = play(core, &bars(ticks, power));
        for (n, (one, other)) in decisions.iter().zip(&scaled).enumerate() {
            let life = |d: &Decision| {
                (d.action, d.reason, d.blocked_by, d.position, d.risk_state, d.state_hash)
            };
            assert_eq!(life(one), life(other), "{what}, times 1e{power}, slot {n}");
            let apart = (one.equity.get() - other.equity.get()).abs();
            assert!(apart <= hair, "{what}, times 1e{power}, slot {n}: equity {apart} apart");
            let levels = [(one.entry_px, other.entry_px), (one.stop_px, other.stop_px)];
            for (one, other) in levels {
                let (one, other) =
                    (one.map_or(1.0, Price::float), other.map_or(10_f64.powi(power), Price::float));
                let ratio = other / (one * 10_f64.powi(power));
                // Eight decimals of a price of 100, twelve digits of a smaller one.
                assert!(
                    (ratio - 1.0).abs() < 1e-10,
                    "{what}, times 1e{power}, slot {n}: {one} and {other}"
                );
            }
        }
        assert_eq!(events.len(), scaled_events.len(), "{what}, times 1e{power}");
        for (one, other) in events.iter().zip(&scaled_events) {
            let life = |e: &TradeEvent| (e.ts, e.entry, e.event, e.side, e.ambiguous);
            assert_eq!(life(one), life(other), "{what}, times 1e{power}");
            let apart = (one.pnl.get() - other.pnl.get()).abs();
            assert!(apart <= hair, "{what}, times 1e{power}: pnl {} and {}", one.pnl, other.pnl);
        }
    }
    events.len()
}

#[test]
fn c18_a_market_times_a_power_of_ten_gives_the_same_trades_and_the_same_result() {
    let mut events = 0;
    for seed in 1..=12 {
        let ticks = ticks(&mut Dice::new(seed), 400);
        for (target, trail) in [(None, None), (Some(2.1), Some(1.7))] {
            let what = format!("seed {seed}, target {target:?}, trail {trail:?}");
            events += same_at_every_scale(&trend(costly(), stops(target, trail)), &ticks, &what);
            events += same_at_every_scale(&revert(costly(), stops(target, trail)), &ticks, &what);
        }
    }
    assert!(events > 2_000, "the markets trade: {events} events");
}

#[test]
fn c18_holds_for_small_and_for_large_accounts() {
    for (cash, notional) in [("0.1", "0.003"), ("20", "7.5"), ("5000000", "900000")] {
        let money = |text: &str| Money::new(text.parse().expect("a decimal"));
        let rules = Rules { cash: money(cash), notional: money(notional), ..costly() };
        let ticks = ticks(&mut Dice::new(77), 400);
        same_at_every_scale(&trend(rules.clone(), stops(Some(3.0), None)), &ticks, notional);
        same_at_every_scale(&revert(rules, stops(None, Some(2.0))), &ticks, notional);
    }
}

fn exits_lie_in_their_bars(core: &Core, bars: &[Option<Bar>], what: &str) -> usize {
    let (_, events) = play(core, bars);
    let mut exits = 0;
    for event in events.iter().filter(|event| matches!(event.event, Event::Close(_))) {
        let bar = bars[event.ts.since(slot(0)) as usize].expect("an exit happens in a bar");
        let price = event.price.float();
        assert!(
            bar.low() <= price && price <= bar.high(),
            "{what}: {} at {price} in {bar:?}",
            event.event.reason()
        );
        exits += 1;
    }
    exits
}

#[test]
fn no_exit_lies_outside_its_bar_whatever_the_stop_rule() {
    let mut exits = 0;
    for seed in 1..=60 {
        let bars = bars(&ticks(&mut Dice::new(seed), 400), 0);
        for stop_fill in [StopFill::AtStop, StopFill::ThroughOpen] {
            for fill_at in [FillAt::NextOpen, FillAt::Close] {
                let rules = || Rules { stop_fill, fill_at, ..plain_rules() };
                for (target, trail) in
                    [(None, None), (Some(0.8), None), (None, Some(0.6)), (Some(1.5), Some(0.9))]
                {
                    let what =
                        format!("seed {seed}, {stop_fill:?}, {fill_at:?}, {target:?}, {trail:?}");
                    let stops = || stops(target, trail);
                    exits += exits_lie_in_their_bars(&trend(rules(), stops()), &bars, &what);
                    exits += exits_lie_in_their_bars(&revert(rules(), stops()), &bars, &what);
                }
            }
        }
    }
    assert!(exits > 20_000, "the markets trade: {exits} exits");
}

/// Prices anywhere from the lowest to the highest there may be, from one bar to the next: sums stay numbers and nothing panics.
#[test]
fn no_market_makes_the_money_overflow() {
    for seed in 1..=40 {
        let mut dice = Dice::new(seed);
        let mut price =
            || 10_f64.powf(dice.below(24_000) as f64 / 1_000.0 - 12.0).clamp(1e-12, 1e12);
        let bars: Vec<Option<Bar>> = (0..300)
            .map(|_| {
                let mut four = [price(), price(), price(), price()];
                four.sort_by(f64::total_cmp);
                let [low, open, close, high] = four;
                Some(Bar::new([open, high, low, close, 1e24]).expect("a bar"))
            })
            .collect();
        let rules = || Rules {
            leverage: Decimal::from(1_000),
            cash: Money::new(Decimal::from(1_000_000_000_000_000_i64)),
            notional: Money::new(Decimal::from(900_000_000_000_000_i64)),
            fee_bps: Decimal::from(10_000),
            slippage_bps: Decimal::from(9_999),
            limits: Limits {
                drawdown_max_pct: Some(Dec::new(Decimal::new(999, 1))),
                daily_loss_max: Some(Dec::new(Decimal::MAX)),
                ..plain_rules().limits
            },
            ..plain_rules()
        };
        let (decisions, _) = play(&trend(rules(), stops(Some(1.0), Some(1.0))), &bars);
        assert!(decisions.iter().all(|row| row.equity.float().is_finite()), "seed {seed}");
        play(&revert(rules(), stops(None, None)), &bars);
    }
}
