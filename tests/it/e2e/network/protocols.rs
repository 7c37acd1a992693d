//! Each venue from its first bar to a proof: through the live loop, and through a fetch.

use mjolnir::{
    clock::{Clock as _, SystemClock},
    domain::{
        bar::TimedBar,
        time::{SlotTs, Timeframe},
    },
};

use super::drill::Drill;
use crate::support::sim::{is_traded, truth};

fn lives(protocol: &'static str, is_shown: fn(&TimedBar) -> bool) {
    let mut drill = Drill::new(protocol);
    drill.open(0, "");
    drill.shift(250, "");
    drill.holds(is_shown);
    let rows = drill.rows();
    let unseen = rows.iter().filter(|row| !is_shown(&truth(row.ts)));
    let unseen: Vec<SlotTs> = unseen.map(|row| row.ts).collect();
    let missing = rows.iter().filter(|row| row.reason == "bar_missing").map(|row| row.ts);
    assert_eq!(missing.collect::<Vec<_>>(), unseen);
    let acted = rows.iter().filter(|row| row.action.starts_with("enter")).count();
    assert!(acted > 0, "nothing happened in {} slots", rows.len());
    assert!(drill.revisions().is_empty(), "nothing was changed");
    drill.proves(&["Result: PASS\n"]);
}

#[test]
fn c3_the_loop_lives_on_binance() {
    lives("binance", |_| true);
}

#[test]
fn c3_the_loop_lives_on_kraken() {
    lives("kraken", |_| true);
}

#[test]
fn c3_the_loop_lives_on_coinbase() {
    lives("coinbase", is_traded);
}

/// The last slot that is over.
fn over() -> SlotTs {
    Timeframe::M1.last_closed(SystemClock.now()).unwrap()
}

#[test]
fn a_fetch_brings_exactly_the_market_of_each_venue() {
    for (protocol, is_shown) in [
        ("binance", (|_| true) as fn(&TimedBar) -> bool),
        ("kraken", |_| true),
        ("coinbase", is_traded),
    ] {
        let mut drill = Drill::new(protocol);
        let (first, last) = (over().plus(-700), over().plus(-5));
        drill.open_at(SystemClock.now(), "");
        let words = format!("run fetch -p exchange={protocol} symbol=BTC/USD timeframe=1m");
        let window = format!("from={} to={}", first.close(), last.close());
        drill.root.run(&format!("{words} base-url=http://{} {window}", drill.address)).ok();
        let market = (0..=last.since(first)).map(|n| truth(first.plus(n))).filter(is_shown);
        assert!(drill.stored() == market.collect::<Vec<_>>(), "{protocol}");
    }
}

#[test]
fn a_fetch_from_kraken_says_how_far_back_it_goes_and_what_to_do() {
    let mut drill = Drill::new("kraken");
    drill.open_at(SystemClock.now(), "");
    let words = "run fetch -p exchange=kraken symbol=BTC/USD timeframe=1m";
    let call =
        format!("{words} base-url=http://{} from={}", drill.address, over().plus(-800).close());
    let ran = drill.root.run(&call).code(3);
    ran.prints(&[
        "too old for the venue",
        "kraken serves bars 720 back and no further",
        "import an archive instead, with `runner run import -p path=FILE`",
    ]);
    let stored = drill.stored();
    assert!((715..=720).contains(&stored.len()), "{}", stored.len());
    assert!(stored.iter().all(|bar| *bar == truth(bar.ts)));
}
