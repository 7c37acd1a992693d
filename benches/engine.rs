//! Cost of the engine alone: one core, bars in memory, nothing written.

mod model;
mod plain;
#[path = "../tests/it/support/strategies.rs"]
mod strategies;

use std::{collections::BTreeMap, hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mjolnir::{
    domain::{
        bar::TimedBar,
        time::{Timeframe, Window},
    },
    engine::{
        model::{Speaker, Timeline},
        slot::SlotMaker,
        step::{Core, Engine},
        strategy::Strategy,
    },
    exchange::feed,
    language::{RawRule, RawStrategy},
    session::replay::Player,
};

const BARS: i64 = 100_000;

fn market() -> Vec<TimedBar> {
    let first = Timeframe::M5.slot(1_600_000_200_000).expect("on the grid");
    let window = Window::new(first, first.plus(BARS)).expect("not empty");
    feed::seeded_bars(7, window)
}

fn play(strategy: &Strategy, bars: &[TimedBar]) -> usize {
    let core = Core { strategy: strategy.clone(), rules: plain::rules() };
    let mut engine = Engine::new(core, Timeframe::M5);
    let (mut maker, mut events) = (SlotMaker::default(), Vec::new());
    for bar in bars {
        let slot = maker.make(bar.ts, Some(bar.bar), None, |_| None);
        black_box(engine.step(&slot, &mut events));
    }
    events.len()
}

/// The same as a backtest does it: blocks of features, then steps. Every bar is seen by two runs of indicators here too.
fn replay(strategy: &Strategy, bars: &[TimedBar]) -> usize {
    let core = Core { strategy: strategy.clone(), rules: plain::rules() };
    let (mut from, last) = (bars[0].ts, bars[bars.len() - 1].ts);
    let (mut player, mut events) = (Player::new(&core, from, Vec::new()), 0);
    while from <= last {
        let to = from.plus(16_383).min(last);
        let window = Window::new(from, to).expect("not empty");
        events += black_box(player.play(window, bars, &BTreeMap::new())).trades.len();
        from = to.next();
    }
    events
}

/// Rules of 25 operations, as people write them.
fn twenty_five() -> Strategy {
    let rule = |rule: &str, side: Option<&str>, when: &str| RawRule {
        rule: rule.to_owned(),
        side: side.map(str::to_owned),
        when: when.to_owned(),
    };
    let trend = "crosses_above(ema(close, 20), ema(close, 50)) and rsi(close, 14) < 70 and close > sma(close, 200)";
    let raw = RawStrategy {
        enter: vec![
            rule("trend", Some("long"), trend),
            rule("breakout", Some("long"), "close > highest(high, 20)[1] and roc(close, 10) > 1"),
            rule(
                "fall",
                Some("short"),
                "crosses_below(ema(close, 20), ema(close, 50)) and hour < 22",
            ),
        ],
        exit: vec![rule("tired", None, "bars_held > 96 or profit_r > 3")],
        ..strategies::shipped("ema_atr", &[])
    };
    strategies::strategy(&raw, Timeframe::M5)
}

fn engine(c: &mut Criterion) {
    let bars = market();
    // One core: the figures are bars a second and core.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(bars.len() as u64));
    let stops = strategies::Stops::only(14, 2.0);
    let ema = strategies::ema_atr([20, 50], stops, Timeframe::M5);
    let rsi = strategies::rsi_revert(14, [30.0, 70.0, 50.0], stops, Timeframe::M5);
    let many = twenty_five();
    for (name, strategy) in [("ema_atr", &ema), ("rsi_revert", &rsi), ("25_operations", &many)] {
        group.bench_function(name, |b| b.iter(|| play(strategy, black_box(&bars))));
        let name = format!("{name} replayed");
        group.bench_function(name, |b| {
            b.iter(|| alone.install(|| replay(strategy, black_box(&bars))));
        });
    }
    let read = model::files().read().expect("a whole model");
    let seen: Vec<String> = read.model.features().iter().map(ToString::to_string).collect();
    let raw = strategies::shipped("model", &[]);
    let values = mjolnir::language::Values::new();
    let rules = mjolnir::language::CheckedStrategy::new(&raw, &values, Timeframe::M5, &seen);
    let speaker = Speaker { id: read.id, model: Arc::new(read.model), enter: 200_000 };
    let scored = Strategy::new(rules.expect("a good file"), Some(Timeline::new(speaker)));
    group.bench_function("model", |b| b.iter(|| play(&scored, black_box(&bars))));
    group.finish();
}

/// Rows that are scored, one at a time as live does it.
fn scorer(c: &mut Criterion) {
    let model = model::files().read().expect("a whole model").model;
    let width = model.features().len();
    let row =
        |n: usize| (0..width).map(|k| ((n * 31 + k * 7) % 17) as f64 / 4.0).collect::<Vec<_>>();
    let rows: Vec<Vec<f64>> = (0..1_000).map(row).collect();
    let mut group = c.benchmark_group("scorer");
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function("rows", |b| {
        b.iter(|| rows.iter().map(|row| model.score(black_box(row))).fold(0, i64::wrapping_add));
    });
    group.finish();
}

criterion_group!(benches, engine, scorer);
criterion_main!(benches);
