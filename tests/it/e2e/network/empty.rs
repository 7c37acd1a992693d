//! Slots that a venue leaves out: named missing, or filled flat when the last close is to be carried.

use std::{collections::BTreeMap, time::Duration};

use mjolnir::{
    clock::{Stopwatch, nap},
    domain::{
        bar::TimedBar,
        time::{SlotTs, Timeframe, Window},
    },
    exchange::{
        feed,
        sim::market::{MarketTrouble, SimMarket},
    },
};

use super::drill::{DECISIONS, Drill, slot};
use crate::support::{
    http::{Asked, Reply, Server},
    runner::{Root, Running},
    sim::is_traded,
};

const HOLES: &str = "--set exchange-sim.faults.holes=0.2";
const CARRY: &str = "--set live.carry-bars=3";

/// What a Coinbase with [`HOLES`] shows of the slots from 0 on.
fn shown() -> BTreeMap<SlotTs, TimedBar> {
    let trouble = MarketTrouble { seed: 1, holes: 0.2, late_bars: 2, ..MarketTrouble::default() };
    let market = SimMarket::made_up(7, slot(-20_000), trouble);
    let (first, last) = (slot(-100), slot(20_000));
    let bars = market.between(first.open_ms(), last.open_ms(), last.plus(50).close());
    bars.filter(is_traded).map(|bar| (bar.ts, bar)).collect()
}

/// The bar that stands for an empty slot: the last close, where no more than three slots passed since.
fn flat(shown: &BTreeMap<SlotTs, TimedBar>, ts: SlotTs) -> Option<TimedBar> {
    let (_, before) = shown.range(..ts).next_back().unwrap();
    (ts.since(before.ts) <= 3).then(|| TimedBar { ts, bar: before.bar.flat() })
}

/// Every empty slot that was decided, with the bar that should stand for it.
fn carried(drill: &Drill, shown: &BTreeMap<SlotTs, TimedBar>) -> Vec<(SlotTs, Option<TimedBar>)> {
    let empty = drill.rows().into_iter().map(|row| row.ts).filter(|ts| !shown.contains_key(ts));
    empty.map(|ts| (ts, flat(shown, ts))).collect()
}

/// Three in a row are carried, are in the store, and in the revision log as filled in; the fourth is missing.
fn is_carried(drill: &Drill) {
    let shown = shown();
    let (rows, stored, log) = (drill.rows(), drill.stored(), drill.revisions());
    let empty = carried(drill, &shown);
    assert!(empty.iter().filter(|(_, bar)| bar.is_some()).count() > 10, "{empty:?}");
    for (ts, bar) in empty {
        let row = rows.iter().find(|row| row.ts == ts).unwrap();
        assert_eq!(row.reason == "bar_missing", bar.is_none(), "{row:?}");
        assert_eq!(stored.iter().find(|stored| stored.ts == ts).copied(), bar, "{row:?}");
        let filled = log.iter().filter(|one| one.ts == ts).map(|one| (one.old, one.new));
        let expected: Vec<_> = bar.iter().map(|bar| (None, bar.bar)).collect();
        assert_eq!(filled.collect::<Vec<_>>(), expected, "{row:?}");
    }
    let kept = stored.iter().filter(|bar| shown.contains_key(&bar.ts) && bar.ts > slot(0));
    assert!(kept.clone().all(|bar| shown[&bar.ts] == *bar), "bars of the venue stay as they are");
}

#[test]
fn without_carry_an_empty_slot_is_a_missing_bar() {
    let mut drill = Drill::new("coinbase");
    drill.open(0, HOLES);
    drill.shift(200, "");
    let shown = shown();
    for row in drill.rows() {
        assert_eq!(row.reason == "bar_missing", !shown.contains_key(&row.ts), "{row:?}");
    }
    assert!(drill.count("bar_missing") > 10);
    assert!(drill.revisions().is_empty());
    drill.proves(&["Result: PASS\n"]);
}

#[test]
fn with_carry_up_to_three_empty_slots_are_flat_bars() {
    let mut drill = Drill::new("coinbase");
    drill.open(0, HOLES);
    drill.shift(300, CARRY);
    is_carried(&drill);
    drill.proves(&["Result: PASS\n"]);
}

#[test]
fn c7_a_kill_between_two_carried_slots_does_not_change_the_second() {
    let mut drill = Drill::new("coinbase");
    drill.open(0, HOLES);
    drill.live(&format!("max-bars=1 {CARRY}")).run().code(0).prints(&["1 rows added"]);
    let (shown, first) = (shown(), drill.last());
    let is_empty = |n: i64| !shown.contains_key(&slot(n));
    let cut = (first + 1..first + 1_000)
        .find(|n| !is_empty(n - 1) && is_empty(*n) && is_empty(n + 1))
        .unwrap();
    let crash = drill.live(&format!("crash-after-bars={} {CARRY}", cut - first)).run();
    assert_eq!((crash.code, drill.last()), (137, cut), "{crash}");
    drill.shift(100, CARRY);
    is_carried(&drill);
    assert_eq!(drill.root.rows(DECISIONS), drill.rows().len());
    drill.proves(&["Result: PASS\n"]);
}

/// Well within the grace period of twenty seconds, and far from the time that a request has here.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Bars that end two slots ago, so that more are asked for at once.
fn lagging(asked: &Asked) -> Reply {
    let (first, last) = asked.opens();
    let slot = |open_ms| Timeframe::M5.slot_of_open(open_ms).unwrap();
    let window = Window::new(slot(first), slot(last).plus(-2)).unwrap();
    Reply::klines(&feed::seeded_bars(7, window))
}

/// The loop in front of a server, in real time.
fn live(root: &Root, server: &Server) -> Running {
    let words = format!(
        "run live -p tag=net exchange=binance feed=http base-url={} --set live.request-timeout=5m",
        server.url()
    );
    root.call(&words).start()
}

fn ends_at_once(mut run: Running, signal: &str) {
    let watch = Stopwatch::start();
    run.signal(signal);
    while !run.is_over() && watch.elapsed() < AT_ONCE * 4 {
        nap(Duration::from_millis(2));
    }
    assert!(watch.elapsed() < AT_ONCE, "{:?}", watch.elapsed());
    run.end().code(0).prints(&["asked to stop"]);
}

#[test]
fn term_during_the_first_request_ends_it_at_once() {
    for signal in ["TERM", "INT"] {
        let (root, server) = (Root::new(), Server::start(|_, _| Reply::hang()));
        let run = live(&root, &server);
        server.await_asked(1);
        ends_at_once(run, signal);
    }
}

#[test]
fn term_during_a_later_request_keeps_what_is_decided_and_hup_does_nothing() {
    let answer = |n: usize, asked: &Asked| if n < 2 { lagging(asked) } else { Reply::hang() };
    let (root, server) = (Root::new(), Server::start(answer));
    let mut run = live(&root, &server);
    server.await_asked(3);
    run.signal("HUP");
    nap(Duration::from_millis(100));
    assert!(!run.is_over(), "a hang-up ends nothing");
    ends_at_once(run, "TERM");
    assert_eq!(root.rows("data/processed/decisions/net/BTC_USD/5m/decisions.csv"), 1);
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn c7_kills_and_restarts_leave_no_hole() {
    let mut drill = Drill::new("binance");
    drill.open(0, "");
    for rows in [1, 30, 7, 60] {
        let before = drill.root.rows(DECISIONS);
        let run = drill.live("").start();
        drill.root.await_rows(DECISIONS, before + rows);
        run.signal("HUP");
        drill.root.await_rows(DECISIONS, before + rows + 2);
        run.signal("KILL");
        run.end().code(137);
        drill.kills += 1;
    }
    drill.shift(30, "");
    assert!(drill.rows().len() > 130);
    drill.holds(|_| true);
    drill.proves(&["Result: PASS\n"]);
}
