//! A machine whose clock is wrong, or is set while the loop is at work: the venue's time is followed. In real time.

use std::path::Path;

use mjolnir::{
    clock::{Clock as _, Stopwatch, SystemClock},
    domain::time::{SlotTs, Timeframe, UtcMs},
};

use super::drill::{DECISIONS, Drill};

const TWO_HOURS_MS: i64 = 7_200_000;
/// How long before the next close the venue opens, milliseconds.
const LEAD_MS: i64 = 10_000;

/// A venue that is `by_ms` ahead of this machine; `side` is where this machine is.
fn follows(by_ms: i64, side: &str) {
    let mut drill = Drill::new("binance");
    let next = |now: UtcMs| -> SlotTs { Timeframe::M1.last_closed(now).unwrap().next() };
    let slot = next(SystemClock.now().plus_ms(by_ms));
    // A ledger whose last row is some minutes old for the venue.
    drill.open_at(slot.plus(-4).close().plus_ms(-LEAD_MS), "speed=2x");
    drill.live_at("speed=2x max-bars=1").run().code(0).prints(&["1 rows added"]);
    let from = slot.close().plus_ms(-LEAD_MS);
    let before = SystemClock.now();
    drill.open_at(from, "speed=1x");
    let after = SystemClock.now();
    let rows = slot.since(drill.rows()[0].ts) as usize;
    let ran = drill.until(drill.live_at("--set live.settle=500ms"), rows);
    let told = (after.get() - from.get(), before.get() - from.get());
    let seconds = [told.0, told.1].map(|ms| ms.abs() / 1000);
    let (least, most) = (seconds[0].min(seconds[1]) - 2, seconds[0].max(seconds[1]) + 2);
    let said =
        |s: i64| ran.stderr.contains(&format!("this machine is {s} s {side} of the venue's"));
    assert!((least..=most).any(said), "{least}..={most} s {side}: {ran}");
    let row = drill.rows().into_iter().find(|row| row.ts == slot).expect("it is decided");
    assert_eq!((row.origin.as_str(), row.action.as_str() != "skip"), ("live", true), "{row:?}");
    assert!((500..30_000).contains(&row.late_ms), "by the venue's time: {row:?}");
    assert!(drill.root.rows(DECISIONS) >= 5);
    drill.holds(|_| true);
    drill.proved("--set eqflat.min-overlap-bars=3", &["Result: PASS\n"]);
}

#[test]
fn a_clock_two_hours_ahead_follows_the_venue() {
    follows(-TWO_HOURS_MS, "ahead");
}

#[test]
fn a_clock_two_hours_behind_follows_the_venue() {
    follows(TWO_HOURS_MS, "behind");
}

const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Sets the clock of the loop. In one step: who finds the file empty ends.
fn set(drill: &Drill, ahead: &str) {
    drill.root.write("now.next", &format!("{ahead}\n"));
    drill.root.rename("now.next", "now");
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn a_clock_that_is_set_under_a_loop_neither_mutes_it_nor_hurries_it() {
    if !Path::new(FAKETIME).exists() {
        eprintln!("skipped: {FAKETIME} is not there; the package is libfaketime");
        return;
    }
    std::thread::scope(|scope| {
        for step in ["-60", "-3600", "-3650d", "+2d", "+3650d"] {
            scope.spawn(move || is_set(step));
        }
    });
}

/// A loop that decides a slot every minute is told another time while it waits for the next close: that slot is decided in its turn.
fn is_set(step: &str) {
    let mut drill = Drill::new("binance");
    let slot = Timeframe::M1.last_closed(SystemClock.now()).unwrap().next();
    let since_open = Stopwatch::start();
    drill.open_at(slot.close().plus_ms(-LEAD_MS), "speed=1x");
    set(&drill, "+0");
    let call = drill.live_at("--set live.settle=500ms").env("LD_PRELOAD", FAKETIME);
    let run = call
        .env("FAKETIME_TIMESTAMP_FILE", drill.root.at("now").to_str().unwrap())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    // The slot before is decided at the start. On a slow machine others may be too: what counts is decided behind the step.
    drill.root.await_rows(DECISIONS, 1);
    set(&drill, step);
    let before = drill.root.rows(DECISIONS);
    drill.root.await_rows(DECISIONS, before + 1);
    run.signal("TERM");
    let ran = run.end().code(0);
    assert!(ran.stderr.contains("of the venue's, and the loop follows the venue"), "{step}: {ran}");
    let rows = drill.rows();
    // The venue was at its second close after `LEAD_MS`, and at another one every minute.
    let passed_ms = i64::try_from(since_open.passed().as_millis()).unwrap() - LEAD_MS;
    let closed = if passed_ms < 0 { 1 } else { 2 + passed_ms / Timeframe::M1.ms() };
    let many = rows.len() as i64;
    assert!(many <= closed, "{step}: nothing is decided before it has happened: {rows:?}");
    let last = &rows[before];
    assert!(
        (0..45_000).contains(&last.late_ms) && last.reason != "fetch_failed",
        "{step}: {last:?}"
    );
}
