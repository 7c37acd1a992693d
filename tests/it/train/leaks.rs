//! A label that knows more than it says is refused before anything is trained.

use mjolnir::{
    domain::{bar::TimedBar, time::Timeframe},
    engine::{
        learn::{
            label::{Class, Label, Labelling, Question},
            rows::Rows,
        },
        step::Core,
    },
    exit::Exit,
    jobs::{
        context::Failure,
        train::dataset::{PROBES, Recipe, rows_of},
    },
    language::kernels::length::Length,
};

use super::fixture::MIDNIGHT_MS;
use crate::support::{
    market::market,
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
) -> Result<Rows, Failure> {
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
