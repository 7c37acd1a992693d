//! Without any market data: bars are made up, and trained on like any others.

use super::fixture::{latest, report};
use crate::support::runner::Root;

#[test]
fn made_up_bars_are_enough_to_try_a_training() {
    let root = Root::new();
    let none = root.run("run jobs/train.toml -p exchange=demo").code(4);
    none.says(&["does not have bars of demo BTC/USD 5m", "runner run jobs/made-up.toml"]);
    let made = root.run("run jobs/made-up.toml -p to=2024-01-21T00:00:00Z").ok();
    made.prints(&["bars made up from seed 7", "data/raw/demo/BTC_USD/5m (20 days)"]);
    root.run("run jobs/train.toml -p exchange=demo folds=2 epochs-max=2").ok();
    assert!(!latest(&root).is_empty());
    assert!(report(&root)["data"]["rows"].as_u64().unwrap() > 4_000);
    // The same seed shows the same market.
    let again = root.run("run jobs/made-up.toml -p to=2024-01-21T00:00:00Z").ok();
    again.prints(&["0 written, 0 replaced"]);
}

#[test]
fn one_command_makes_up_bars_trains_on_them_and_replays_the_model() {
    let root = Root::new();
    let days = "from=2024-01-01T00:00:00Z to=2024-01-31T00:00:00Z";
    let ran = root.run(&format!("run jobs/train-demo.toml -p folds=1 epochs-max=2 {days}")).ok();
    let id = root.read("data/reports/train/demo/latest").trim().to_owned();
    ran.prints(&["bars made up from seed 7", &format!("demo {id}"), "closed trades"]);
    let replayed: Vec<String> = root.list("data/processed/decisions");
    assert!(replayed.iter().any(|tag| tag.starts_with("train_bt_")), "{replayed:?}");
}

#[test]
fn made_up_bars_stay_apart_from_those_of_a_venue_and_have_a_window() {
    let root = Root::new();
    let kraken = root.run("run jobs/made-up.toml -p exchange=kraken").code(78);
    kraken.says(&["made-up bars do not belong among those of kraken", "such as demo"]);
    let turned = root.run("run jobs/made-up.toml -p to=2023-01-01T00:00:00Z").code(78);
    turned.says(&["it must be later than `import.from`"]);
    let ages = root.run("run jobs/made-up.toml -p timeframe=1m from=1990-01-01T00:00:00Z").code(78);
    ages.says(&["at most 6000000 are made up at once"]);
    let short = "from=2024-01-01T00:01:00Z to=2024-01-01T00:02:00Z";
    root.run(&format!("run jobs/made-up.toml -p {short}")).code(4).says(&["no bar of 5m closes"]);
    for (source, lacks) in [("synthetic", "`import.from` is missing"), ("file", "`import.path`")] {
        let bare =
            "manifest = 1\nname = \"bare\"\nkind = \"import\"\n[market]\nexchange = \"demo\"\n";
        let text = format!(
            "{bare}symbol = \"BTC/USD\"\ntimeframe = \"5m\"\n[import]\nsource = \"{source}\"\n"
        );
        root.write("bare.toml", &text);
        root.run("run bare.toml").code(78).says(&[lacks]);
    }
    assert_eq!(root.list("data/raw"), [""; 0], "nothing was stored");
}
