//! A label that knows more than it says is refused before anything is trained.

use mjolnir::{
    domain::{
        bar::{Bar, TimedBar},
        time::Timeframe,
    },
    engine::{
        learn::{
            label::{Class, Label, Labelling, Question},
            rows::TrainRows,
        },
        step::Core,
    },
    exit::Exit,
    jobs::{
        context::Failure,
        train::dataset::{PROBES, Recipe, rows_of},
    },
    language::kernels::window::Length,
};
use serde_json::Value;

use super::fixture::{MIDNIGHT_MS, report, train};
use crate::support::{
    market::{csv, market},
    runner::Root,
    scripted::plain_rules,
    strategies::{Stops, ema_atr},
};

fn rows(label: impl Fn(&[TimedBar], usize, f64) -> Option<Label>) -> Result<usize, Failure> {
    let bars = market(Timeframe::M5, MIDNIGHT_MS + 300_000, MIDNIGHT_MS + 6 * 86_400_000);
    rows_with(&bars, label).map(|rows| rows.len())
}

/// Rows of some bars, with features of a plain strategy.
pub fn rows_with(
    bars: &[TimedBar],
    label: impl Fn(&[TimedBar], usize, f64) -> Option<Label>,
) -> Result<TrainRows, Failure> {
    let stops = Stops::only(14, 2.0);
    let core = Core { strategy: ema_atr([5, 20], stops, Timeframe::M5), rules: plain_rules() };
    let blocks = core.blocks(Timeframe::M5);
    let width = core.strategy.features().len();
    let range = Length::new(14).expect("a length");
    let recipe = Recipe { strategy: &core.strategy, blocks, width, range, seed: 7 };
    rows_of(&recipe, bars, label)
}

/// The label of the question, and nothing else.
pub fn honest(bars: &[TimedBar], at: usize, atr: f64) -> Option<Label> {
    question().label(bars, at, atr)
}

fn question() -> Labelling {
    Labelling::new(Question::ForwardReturn { threshold: 0.001 }, 6).unwrap()
}

#[test]
fn an_honest_label_gives_rows() {
    let rows = rows(honest).unwrap();
    assert!(rows > PROBES * 10, "{rows}");
}

#[test]
fn a_label_that_knows_bars_behind_its_stated_end_is_refused() {
    let leaky = |bars: &[TimedBar], at: usize, atr: f64| {
        let honest = question().label(bars, at, atr)?;
        // The highest close of the next day, given out as an answer of six bars.
        let high = |from: usize, to: usize| {
            bars[from..to.min(bars.len())].iter().map(|bar| bar.bar.close()).fold(0.0, f64::max)
        };
        let class =
            if high(at + 1, at + 289) > high(at, at + 1) * 1.005 { Class::Up } else { Class::Flat };
        Some(Label { class, ..honest })
    };
    let failure = rows(leaky).unwrap_err();
    assert_eq!(failure.exit, Exit::Data, "exit 65");
    assert_eq!(Exit::Data.code(), 65);
    for word in ["the label of", "depends on bars after its stated end", "nothing was trained"] {
        assert!(failure.message.contains(word), "{}", failure.message);
    }
}

#[test]
fn a_label_that_is_over_before_it_begins_is_refused() {
    let past = |bars: &[TimedBar], at: usize, _: f64| {
        let up = bars[at].bar.close() > bars[at].bar.open();
        Some(Label { class: if up { Class::Up } else { Class::Down }, end: bars[at].ts })
    };
    let failure = rows(past).unwrap_err();
    assert_eq!(failure.exit, Exit::Data);
    assert!(failure.message.contains("which the features know already"), "{}", failure.message);
}

/// More slots than a label of the fixture reaches ahead.
const REACH: i64 = 24;

/// The folds of a training on these bars.
fn folds(bars: &[TimedBar]) -> Vec<Value> {
    let root = Root::new();
    root.write("bars.csv", &csv(bars));
    root.run("run jobs/import.toml -p path=bars.csv exchange=demo symbol=BTC/USD time=close").ok();
    train(&root).run().ok();
    report(&root)["folds"].as_array().unwrap().clone()
}

/// The same bars up to a time; from then on the market goes down where it went up.
fn mirrored_from(bars: &[TimedBar], from_ms: i64) -> Vec<TimedBar> {
    let turned = |TimedBar { ts, bar }: TimedBar| {
        if ts.ts_ms() < from_ms {
            return TimedBar { ts, bar };
        }
        let at = |price: f64| 4e8 / price;
        let values = [at(bar.open()), at(bar.low()), at(bar.high()), at(bar.close()), bar.volume()];
        TimedBar { ts, bar: Bar::new(values).unwrap() }
    };
    bars.iter().copied().map(turned).collect()
}

#[test]
fn neither_fit_nor_threshold_nor_an_earlier_test_knows_what_comes_later() {
    let bars = market(Timeframe::M5, MIDNIGHT_MS + 300_000, MIDNIGHT_MS + 8 * 86_400_000);
    let before = folds(&bars);
    let test_starts = before[1]["test"]["window"][0].as_i64().unwrap();
    let after = folds(&mirrored_from(&bars, test_starts + REACH * 300_000));
    assert_eq!(before[0], after[0], "the first fold ended before");
    for who in ["network", "logistic"] {
        // Scale, weights, epoch and threshold of the second fold come from what lies before its test.
        for what in ["losses", "best_epoch", "tried", "threshold"] {
            assert_eq!(before[1][who][what], after[1][who][what], "{who} {what}");
        }
        assert_ne!(before[1][who]["log_loss"], after[1][who]["log_loss"], "its test is another");
    }
}
