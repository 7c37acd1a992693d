//! What can never work ends at once and says why; what may pass is asked again.

use std::time::Duration;

use mjolnir::clock::nap;

use super::drill::Drill;
use crate::support::runner::Root;

#[test]
fn an_unknown_symbol_ends_it_at_once_and_names_what_was_asked() {
    for (protocol, symbol, words) in [
        ("binance", "symbol=XYZUSD", "-1121 Invalid symbol."),
        ("kraken", "pair=XYZUSD", "EQuery:Unknown asset pair"),
        ("coinbase", "/products/XYZ-USD/", "NotFound"),
    ] {
        let mut drill = Drill::new(protocol);
        drill.open(0, "");
        for speed in ["", "speed=6000x"] {
            let ran = drill.live_at(&format!("symbol=XYZ/USD {speed}")).run().code(78);
            let url = format!("http://{}/", drill.address);
            ran.says(&["error: ", protocol, "gave no bars", symbol, words, &url]);
        }
    }
}

#[test]
fn a_timeframe_or_a_venue_that_there_is_not_ends_it_at_once() {
    let root = Root::new();
    let live = "run live -p tag=net feed=http base-url=http://127.0.0.1:1";
    let ran = root.run(&format!("{live} exchange=kraken timeframe=3m")).code(78);
    ran.says(&["kraken", "no bars of 3m", "1m 5m 15m 30m 1h 4h 1d", "http://127.0.0.1:1"]);
    let ran = root.run(&format!("{live} exchange=nosuch")).code(78);
    ran.says(&["`nosuch` is not a venue", "binance, ", "coinbase, ", "kraken, ", "okx"]);
    let live = "run live -p tag=net exchange=kraken feed=http base-url";
    let ran = root.run(&format!("{live}=http://me:hunter2@127.0.0.1:1")).code(78);
    assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{ran}");
    let files = root.files("data");
    assert!(files.iter().all(|(_, text)| !text.contains("hunter2")), "{files:?}");
    ran.says(&["holds a user or a password", "leave it out"]);
}

#[test]
fn a_venue_that_refuses_connections_at_the_start_is_asked_again_until_told_to_stop() {
    let root = Root::new();
    // Nobody listens there, and no test is given that port.
    let gone = "http://127.0.0.1:1";
    let words = format!("run live -p tag=net exchange=kraken feed=http base-url={gone}");
    let mut run = root.call(&words).start();
    let warned = || -> usize {
        let logs = root.files("data/runs");
        let logs = logs.iter().filter(|(path, _)| path.ends_with("log.jsonl"));
        logs.map(|(_, text)| text.matches("the connection was refused").count()).sum()
    };
    // Three attempts are one question; the fourth belongs to the next one.
    let mut left = 180_000;
    while warned() < 4 && left > 0 {
        nap(Duration::from_millis(1));
        left -= 1;
    }
    assert!(!run.is_over(), "it goes on");
    run.signal("TERM");
    let ran = run.end().warns(&["kraken gave no bars: the connection was refused"]);
    ran.prints(&["0 rows added, the last one is none: asked to stop"]);
    // A simulated venue that is not there can tell no time.
    let ran = root.run(&format!("{words} speed=60x")).code(69);
    ran.says(&["kraken gave no bars: the connection was refused"]);
}
