//! Cost of the engine alone: one core, bars in memory, nothing written.

mod model;
mod plain;
#[path = "../tests/it/support/strategies.rs"]
mod strategies;

use std::{hint::black_box, sync::Arc};

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
    exchange::synthetic,
};

const BARS: i64 = 100_000;

fn market() -> Vec<TimedBar> {
    let first = Timeframe::M5.slot(1_600_000_200_000).expect("on the grid");
    let window = Window::new(first, first.plus(BARS)).expect("not empty");
    synthetic::bars(7, window)
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

fn engine(c: &mut Criterion) {
    let bars = market();
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(bars.len() as u64));
    let stops = strategies::Stops::only(14, 2.0);
    let ema = strategies::ema_atr([20, 50], stops, Timeframe::M5);
    group.bench_function("ema_atr", |b| b.iter(|| play(&ema, black_box(&bars))));
    let rsi = strategies::rsi_revert(14, [30.0, 70.0, 50.0], stops, Timeframe::M5);
    group.bench_function("rsi_revert", |b| b.iter(|| play(&rsi, black_box(&bars))));
    let read = model::files().read().expect("a whole model");
    let seen: Vec<String> = read.model.features().iter().map(ToString::to_string).collect();
    let raw = strategies::shipped("model", &[]);
    let values = mjolnir::language::Values::new();
    let rules = mjolnir::language::Strategy::new(&raw, &values, Timeframe::M5, &seen);
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
