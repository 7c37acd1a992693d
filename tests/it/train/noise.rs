//! A market in which nothing can be foreseen brings no model into use, however it is measured; one in which something can, does.

use mjolnir::domain::{
    bar::{Bar, TimedBar},
    time::Timeframe,
};

use super::fixture::{MIDNIGHT_MS, latest, promote, train};
use crate::support::{
    market::{Dice, csv},
    runner::Root,
};

/// Bars of a price whose every move is `drift` and chance, both in basis points.
fn walk(seed: u64, days: i64, drift: impl Fn(&mut Dice, i64) -> f64) -> Vec<TimedBar> {
    let mut dice = Dice::new(seed);
    let mut price = 20_000.0;
    let mut bar = |n: i64| {
        let open = price;
        let (mut high, mut low) = (price, price);
        let drift = drift(&mut dice, n);
        for _ in 0..4 {
            // Three throws are near enough to a bell.
            let chance: f64 = (0..3).map(|_| dice.below(2_001) as f64 / 100.0 - 10.0).sum();
            price *= 1.0 + (drift / 4.0 + chance) / 1e4;
            (high, low) = (f64::max(high, price), f64::min(low, price));
        }
        let volume = 1.0 + dice.below(100) as f64;
        let ts = Timeframe::M5.slot(MIDNIGHT_MS + n * 300_000).unwrap();
        TimedBar { ts, bar: Bar::new([open, high, low, price, volume]).unwrap() }
    };
    (1..=days * 288).map(&mut bar).collect()
}

/// A market that goes one way for four hours, and then perhaps the other.
pub fn foreseeable(seed: u64, days: i64) -> Vec<TimedBar> {
    let side = std::cell::Cell::new(1.0);
    walk(seed, days, |dice, n| {
        if n % 48 == 0 {
            side.set(if dice.below(2) == 0 { 8.0 } else { -8.0 });
        }
        side.get()
    })
}

fn trained(bars: &[TimedBar], seed: u64) -> Root {
    let root = Root::new();
    root.write("bars.csv", &csv(bars));
    root.run("run jobs/import.toml -p path=bars.csv exchange=demo symbol=BTC/USD time=close").ok();
    train(&root).arg("-p").arg(&format!("seed={seed}")).arg("horizon-bars=12").run().ok();
    assert!(!latest(&root).is_empty());
    root
}

#[test]
fn six_markets_of_noise_bring_no_model_into_use() {
    let mut better_by_luck = 0;
    for seed in 1..=6 {
        let root = trained(&walk(seed, 12, |_, _| 0.0), seed);
        let refused = promote(&root, "metric=auc min-folds=0").code(1);
        refused.prints(&["which may be luck: 3 standard errors are"]);
        let json = root.run("run jobs/promote.toml --json -p metric=auc min-folds=0").json();
        let number = |key: &str| json["out"][key].as_str().unwrap().parse::<f64>().unwrap();
        better_by_luck += usize::from(number("candidate") > number("baseline"));
        for metric in ["log-loss", "pnl"] {
            promote(&root, &format!("metric={metric} min-folds=0")).code(1);
        }
        assert_eq!(root.read("data/models/current"), "", "seed {seed}");
    }
    assert!(better_by_luck > 0, "without the errors some would have been taken");
}

#[test]
fn a_market_that_can_be_foreseen_brings_a_model_into_use() {
    let root = trained(&foreseeable(3, 12), 3);
    promote(&root, "metric=auc min-folds=2").ok().prints(&["is in use now"]);
}
