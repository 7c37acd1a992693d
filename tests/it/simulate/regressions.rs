//! What the simulation found, each told alone.

use mjolnir::{
    domain::{
        bar::{Bar, TimedBar, hash_bars},
        decision::Degraded,
        time::UtcMs,
    },
    session::record::{Decided, LedgerStart},
    store::{disk::Disk, raw::Revision},
};

use super::{
    false_disk::Lie,
    oracle::{Log, check_final, files, seen_bars},
    venue::{HOUR_MS, SimClock, Venue, market},
    world::{Shift, World, slot, span},
};
use crate::support::sim_disk::{Death, Fault, SimDisk};

fn shift(world: &World, slots: i64) -> Shift {
    Shift { pace: world.pace(slots), lie: Lie::Honest, stop_at_ms: slot(slots + 9).ts_ms() }
}

/// Works from the first slot, or from where the disk is, until `slots` are decided.
fn work(world: &World, disk: &SimDisk, now_ms: i64, slots: i64) -> Result<(), String> {
    let clock = SimClock::new(now_ms, HOUR_MS / 3, None);
    let market = market(14, span(30));
    let mut venue = Venue { clock: &clock, market: &market, mood: None };
    let [mut decisions, trades] = files(&world.layout, world, disk);
    decisions.truncate(decisions.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    let mut log = Log { decisions, trades, ..Log::default() };
    let done = world.work(disk, (&clock, &mut venue), &shift(world, slots), &mut log);
    done.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn a_failed_sync_of_the_raw_store_ends_the_session_instead_of_losing_every_bar_from_then_on() {
    let world = World::new();
    let start_ms = slot(0).ts_ms() + 2_000;
    let whole = world.disk();
    work(&world, &whole, start_ms, 8).unwrap();
    let mut ended = 0;
    for n in 0..whole.ops() {
        let disk = world.disk();
        disk.fail_at(n, Fault::Eio);
        if let Err(why) = work(&world, &disk, start_ms, 8) {
            ended += usize::from(why.contains("/raw/") && why.contains("sync"));
            work(&world, &disk, start_ms + 60_000, 8).unwrap();
        }
        let [found, wanted] = [&disk, &whole].map(|disk| files(&world.layout, &world, disk));
        assert_eq!(found, wanted, "operation {n}");
    }
    assert!(ended > 3, "{ended}");
}

#[test]
fn leftovers_of_a_crash_are_cleaned_beside_the_ledgers_and_in_quarantine() {
    let world = World::new();
    let disk = world.disk();
    let (layout, tag) = (&world.layout, super::oracle::tag());
    work(&world, &disk, slot(0).ts_ms() + 2_000, 4).unwrap();
    let decisions = layout.decisions(&tag, &world.series);
    let quarantine = layout.quarantine(&decisions, UtcMs::EPOCH).path(0);
    for path in [&decisions, &layout.trades(&tag, &world.series), &quarantine] {
        disk.plant(&path.with_extension("csv.1.2.tmp"), b"unfinished");
    }
    disk.plant(&quarantine.with_extension("torn.1.2.tmp"), b"unfinished");
    let other = quarantine.with_file_name("other-decisions.csv.5.0.torn.1.2.tmp");
    disk.plant(&other, b"of somebody else");
    disk.append(&decisions, b"half a row").unwrap();
    work(&world, &disk, slot(4).ts_ms() + 2_000, 6).unwrap();
    let left: Vec<_> =
        disk.files().into_iter().filter(|path| path.extension() == Some("tmp".as_ref())).collect();
    assert_eq!(left, [other]);
}

#[test]
fn bars_that_came_late_are_found_again_without_the_time_of_the_decision() {
    // Forty bars are held back, all filled in at one time and half of them changed at another: 2^40 combinations.
    let bar = |n: i64, close: f64| TimedBar {
        ts: slot(n),
        bar: Bar::new([close, close, close, close, 1.0]).unwrap(),
    };
    let at = |ms: i64| UtcMs::new(slot(41).ts_ms() + ms).unwrap();
    let filled: Vec<TimedBar> = (1..=40).map(|n| bar(n, 100.0 + n as f64)).collect();
    let own = bar(41, 90.0);
    let now: Vec<TimedBar> =
        (1..=40).map(|n| bar(n, 100.0 + n as f64 + (n % 2) as f64 / 2.0)).chain([own]).collect();
    let fill = |new: &TimedBar| Revision { ts: new.ts, old: None, new: new.bar, seen_at: at(10) };
    let change = |(old, new): (&TimedBar, &TimedBar)| Revision {
        ts: old.ts,
        old: Some(old.bar),
        new: new.bar,
        seen_at: at(20),
    };
    let changed = filled.iter().zip(&now).filter(|(old, new)| old != new);
    let log: Vec<Revision> = filled.iter().map(fill).chain(changed.map(change)).collect();
    let lost = |ts, degraded, bar_hash| Decided { ts, degraded, bar_hash, seen_at: None };
    let held = filled.iter().map(|bar| lost(bar.ts, Some(Degraded::FetchFailed), None));
    let bars: Vec<TimedBar> = filled.iter().copied().chain([own]).collect();
    let last = lost(own.ts, None, Some(hash_bars(&bars)));
    let decided: Vec<Decided> = held.chain([last]).collect();
    let birth = LedgerStart { floor: slot(1), at: at(0), revisions: None };
    let seen = seen_bars(&now, &log, &decided, birth);
    assert_eq!((seen.bars, seen.unresolved), (bars, vec![]));
}

#[test]
fn what_came_after_the_birth_is_undone_also_when_the_clock_was_set_back() {
    let bar = |n: i64, close: f64| TimedBar {
        ts: slot(n),
        bar: Bar::new([close, close, close, close, 1.0]).unwrap(),
    };
    let at = |ms: i64| UtcMs::new(slot(5).ts_ms() + ms).unwrap();
    let (own, now) = (bar(4, 9.0), [bar(1, 1.0), bar(2, 2.5), bar(3, 3.0)]);
    // The first change was there when the loop began, at 100; then the clock fell back to 50, a bar was changed, and a hole filled.
    let log = [
        Revision { ts: slot(1), old: Some(bar(1, 0.5).bar), new: now[0].bar, seen_at: at(90) },
        Revision { ts: slot(2), old: Some(bar(2, 2.0).bar), new: now[1].bar, seen_at: at(50) },
        Revision { ts: slot(3), old: None, new: now[2].bar, seen_at: at(60) },
    ];
    let first = Decided {
        ts: own.ts,
        degraded: None,
        bar_hash: Some(hash_bars(&[own])),
        seen_at: Some(at(100)),
    };
    let stored = [now.as_slice(), &[own]].concat();
    let birth = LedgerStart { floor: slot(1), at: at(100), revisions: Some(1) };
    let seen = seen_bars(&stored, &log, &[first], birth);
    assert_eq!(seen.bars, [now[0], bar(2, 2.0), own]);
    // Without the count only the time is known, and it lies.
    let seen = seen_bars(&stored, &log, &[first], LedgerStart { revisions: None, ..birth });
    assert_eq!(seen.bars, stored);
}

#[test]
fn a_command_that_was_obeyed_survives_a_power_cut() {
    use mjolnir::{
        domain::command::{Command, CommandKind},
        jobs::commands::append_command,
    };

    use super::{false_disk::FalseDisk, oracle::tag};

    let world = World::new();
    let disk = world.disk();
    work(&world, &disk, slot(0).ts_ms() + 2_000, 4).unwrap();
    // The operator's process writes the row and dies before it can sync it.
    let at = UtcMs::new(slot(4).ts_ms() - 5_000).unwrap();
    let halt = Command { at, order: CommandKind::Halt, reason: "test".into(), who: "test".into() };
    let liar = FalseDisk { disk: &disk, lie: Lie::Sync("commands") };
    append_command(&liar, &world.layout, &tag(), &halt, at).unwrap();
    work(&world, &disk, slot(4).ts_ms() + 2_000, 8).unwrap();
    disk.restart(Death::PowerNothing);
    check_final(&world, &disk, &market(14, span(30))).unwrap();
    let [decisions, _] = files(&world.layout, &world, &disk);
    assert!(String::from_utf8(decisions).unwrap().ends_with('\n'));
    work(&world, &disk, slot(8).ts_ms() + 2_000, 10).unwrap();
}
