//! The loop is away for a while: what becomes of the slots it missed.

use super::drill::{Drill, Row, TIMING, slot};
use crate::support::sim::truth;

/// Slots the loop is away: long enough for the rules to fire meanwhile.
const AWAY: i64 = 150;

/// A bar takes a tenth of a second: so a busy machine decides in time too, and never falls behind a short horizon.
const SLOWLY: &str = "speed=600x";

/// A venue where slot `n` has closed half a minute ago.
fn open_slowly(drill: &mut Drill, n: i64) {
    drill.open_at(slot(n).close().plus_ms(30_000), SLOWLY);
}

/// Thirty slots, away for [`AWAY`], and then until some are decided in time. Returns the last slot before, and what was missed for certain.
fn away(drill: &mut Drill, args: &str) -> (i64, Vec<Row>) {
    drill.open(0, "");
    drill.shift(30, args);
    let last = drill.last();
    open_slowly(drill, last + AWAY);
    let run = drill.live_at(&format!("{SLOWLY} {args}")).start();
    let in_time = || drill.root.read(TIMING).matches(",live,").count();
    let wanted = in_time() + 20;
    while in_time() < wanted {
        drill.root.await_rows(TIMING, drill.root.rows(TIMING) + 1);
    }
    run.signal("TERM");
    run.end().code(0);
    (last, drill.between(last + 1, last + AWAY - 1))
}

#[test]
fn c8_missed_slots_are_decided_in_order_as_if_live() {
    let mut drill = Drill::new("binance");
    let (_, missed) = away(&mut drill, "");
    let well = |row: &Row| row.origin == "catchup" && row.action != "skip" && row.risk == "ACTIVE";
    assert!(missed.iter().all(well), "{missed:?}");
    drill.holds(|_| true);
    drill.proves(&["Result: PASS\n"]);
}

/// Lives through the downtime in a mode that takes no part in it, and returns what was missed.
fn aside(mode: &str) -> Vec<Row> {
    let mut drill = Drill::new("binance");
    let (_, missed) = away(&mut drill, &format!("--set live.catch-up.mode={mode}"));
    assert!(missed.iter().all(|row| row.origin == "degraded"), "{missed:?}");
    let after: Vec<Row> = drill.rows().into_iter().filter(|row| row.origin == "live").collect();
    assert!(after.iter().all(|row| row.action != "skip"), "{after:?}");
    assert!(after.iter().any(|row| row.ts > missed[missed.len() - 1].ts), "it went on");
    drill.holds(|_| true);
    drill.proves(&["Result: PASS\n"]);
    missed
}

#[test]
fn c8_missed_slots_are_observed_and_nothing_is_entered() {
    let missed = aside("observe");
    assert!(missed.iter().all(|row| !row.action.starts_with("enter")), "{missed:?}");
    let vetoed = |row: &&Row| row.reason == "catchup_no_entry";
    assert!(missed.iter().any(|row| vetoed(&row)), "the rules did not fire: {missed:?}");
    let skipped = missed.iter().filter(|row| row.action == "skip");
    assert!(skipped.clone().all(|row| vetoed(&row)), "{missed:?}");
}

#[test]
fn c8_missed_slots_are_not_decided_in_downtime() {
    let missed = aside("off");
    let well = |row: &Row| row.action == "skip" && row.reason == "downtime";
    assert!(missed.iter().all(well), "{missed:?}");
}

/// After a downtime that reaches beyond `reach` bars: the slots beyond are missing, and it is halted until told otherwise.
fn beyond(protocol: &'static str, gone: i64, reach: i64, args: &str) -> Drill {
    let mut drill = Drill::new(protocol);
    drill.open(0, "");
    drill.shift(30, "");
    let last = drill.last();
    open_slowly(&mut drill, last + gone);
    let call = drill.live_at(&format!("{SLOWLY} {args}"));
    let ran = drill.until(call, gone as usize + 10);
    ran.says(&["missed slots lie beyond the catch-up horizon"]);
    let lost = drill.between(last + 1, last + gone - reach);
    let well = |row: &Row| row.reason == "bar_missing" && row.risk == "HALTED";
    assert!(lost.iter().all(well), "{lost:?}");
    let halted: Vec<Row> = drill.rows().into_iter().filter(|row| row.ts > lost[0].ts).collect();
    assert!(halted.iter().all(|row| row.action == "skip" && row.risk == "HALTED"), "{halted:?}");
    assert!(drill.rows().last().unwrap().reason == "halted");
    let told = "resume --tag net --who eva --at next --reason";
    drill.root.call(told).arg("looked at it").run().ok();
    // Whoever looked at it may have taken his time, but no longer than the venue keeps.
    let last = drill.last();
    open_slowly(&mut drill, last + 20);
    // As patient as shipped.
    drill.until(drill.live_at(SLOWLY), 30);
    let rows = drill.rows();
    let resumed = rows.iter().rfind(|row| row.risk == "HALTED").unwrap().ts.next();
    let since: Vec<&Row> = rows.iter().filter(|row| row.ts >= resumed).collect();
    assert!(since.len() >= 10, "{since:?}");
    assert!(since.iter().all(|row| row.risk == "ACTIVE" && row.action != "skip"), "{since:?}");
    drill
}

#[test]
fn beyond_what_kraken_keeps_bars_are_missing_and_the_loop_is_halted_until_resumed() {
    let drill = beyond("kraken", 800, 720, "");
    let stored = drill.stored();
    assert!(stored.iter().all(|bar| *bar == truth(bar.ts)), "the bars of the market");
    // A loop that lags far behind may get bars between two answers that it gave up before: that is drift.
    drill.proves(&["Result: PASS"]);
}

#[test]
fn beyond_max_bars_bars_are_missing_and_the_loop_is_halted_until_resumed() {
    let drill = beyond("binance", 60, 20, "--set live.catch-up.max-bars=20");
    // The venue has them all the same: they are stored, and LIVE did not see them.
    drill.holds(|_| true);
    drill.proves(&["Result: PASS"]);
}
