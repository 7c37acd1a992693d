//! What comes later changes nothing: a fold is the same whatever the bars behind it are, and its fit whatever its test bars are.

use mjolnir::domain::{
    bar::{Bar, TimedBar},
    time::Timeframe,
};
use serde_json::Value;

use super::fixture::{MIDNIGHT_MS, report, train};
use crate::support::{
    market::{csv, market},
    runner::Root,
};

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
