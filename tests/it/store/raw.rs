//! The raw store on a disk that dies: partitions are whole, and no value is replaced before it is in the log.

use std::path::Path;

use mjolnir::{
    domain::{
        bar::{Bar, ClosedBar, TimedBar},
        series::Series,
        time::{SlotTs, Timeframe, UtcMs},
    },
    store::{
        error::StoreError,
        layout::Layout,
        raw::{AsSeen, PutReport, RawStore},
    },
};

use crate::support::sim_disk::{Death, Fault, SimDisk};

fn slot(n: i64) -> SlotTs {
    Timeframe::H4.slot_of_open(n * Timeframe::H4.ms()).unwrap()
}

fn flat(close: f64) -> Bar {
    Bar::new([close, close, close, close, 1.0]).unwrap()
}

fn bars(values: &[(i64, f64)]) -> Vec<ClosedBar> {
    let timed = |(n, close): &(i64, f64)| TimedBar { ts: slot(*n), bar: flat(*close) };
    values.iter().map(timed).map(ClosedBar::archived).collect()
}

fn series() -> Series {
    Series::new("binance".parse().unwrap(), "BTC/USDT".parse().unwrap(), Timeframe::H4)
}

fn put(disk: &SimDisk, values: &[(i64, f64)], seen_at: i64) -> Result<PutReport, StoreError> {
    let layout = Layout::new(Path::new("/r"));
    let store = RawStore::new(&layout, disk, &series());
    store.prepare()?;
    store.put(&bars(values), UtcMs::new(seen_at).unwrap())
}

const FIRST: [(i64, f64); 4] = [(100, 1.0), (101, 2.0), (104, 5.0), (110, 6.0)];
const SECOND: [(i64, f64); 4] = [(101, 2.5), (102, 3.0), (104, 5.0), (110, 6.5)];

#[test]
fn c9_a_death_at_any_operation_loses_nothing_and_the_log_comes_first() {
    let layout = Layout::new(Path::new("/r"));
    let mut crashes = 0;
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Tear(9), Fault::Eio, Fault::Enospc]
    {
        for n in 0.. {
            let probe = SimDisk::new(Path::new("/r/data"));
            put(&probe, &FIRST, 10).unwrap();
            probe.fail_at(n, fault);
            if put(&probe, &SECOND, 20).is_ok() {
                break;
            }
            for death in [Death::Process, Death::PowerNothing]
                .into_iter()
                .chain((0..3).map(|seed| Death::Power(1000 * seed + n as u64)))
            {
                let disk = SimDisk::new(Path::new("/r/data"));
                put(&disk, &FIRST, 10).unwrap();
                disk.fail_at(n, fault);
                put(&disk, &SECOND, 20).unwrap_err();
                disk.restart(death);
                check_as_seen(&layout, &disk, 15);
                put(&disk, &SECOND, 30).unwrap();
                check_as_seen(&layout, &disk, 15);
                disk.restart(Death::PowerNothing);
                check_as_seen(&layout, &disk, 15);
                let store = RawStore::new(&layout, &disk, &series());
                let now: Vec<_> = store.load_all().unwrap().iter().map(|b| b.bar.close()).collect();
                assert_eq!(now, [1.0, 2.5, 3.0, 5.0, 6.5]);
                check_told_once(&layout, &disk);
                crashes += 1;
            }
        }
    }
    assert!(crashes > 400, "{crashes}");
}

/// As seen before the second put, whatever became of it.
fn check_as_seen(layout: &Layout, disk: &SimDisk, at: i64) {
    let store = RawStore::new(layout, disk, &series());
    let (bars, log) = (store.load_all().unwrap(), store.revisions().unwrap());
    let seen = AsSeen::new(&bars, &log);
    let at = UtcMs::new(at).unwrap();
    for (n, close) in
        [(100, Some(1.0)), (101, Some(2.0)), (102, None), (104, Some(5.0)), (110, Some(6.0))]
    {
        assert_eq!(seen.at(slot(n), at), close.map(flat), "slot {n}");
    }
}

/// No revision is in the log a second time, whenever it was seen.
fn check_told_once(layout: &Layout, disk: &SimDisk) {
    let log = String::from_utf8(disk.peek(&layout.revisions(&series())).unwrap()).unwrap();
    let mut told: Vec<&str> =
        log.lines().skip(1).map(|row| row.rsplit_once(',').unwrap().0).collect();
    let all = told.len();
    told.sort_unstable();
    told.dedup();
    assert_eq!((told.len(), all), (3, 3), "{log}");
}

#[test]
fn a_failed_sync_is_final_and_another_failure_is_not() {
    let layout = Layout::new(Path::new("/r"));
    let seen = UtcMs::new(20).unwrap();
    let mut refused = 0;
    for n in 0.. {
        let disk = SimDisk::new(Path::new("/r/data"));
        put(&disk, &FIRST, 10).unwrap();
        let store = RawStore::new(&layout, &disk, &series());
        disk.fail_at(n, Fault::Eio);
        let Err(first) = store.put(&bars(&SECOND), seen) else { break };
        assert!(first.is_io());
        match store.put(&bars(&SECOND), seen) {
            Ok(_) => {
                disk.restart(Death::PowerNothing);
                let now: Vec<_> = store.load_all().unwrap().iter().map(|b| b.bar.close()).collect();
                assert_eq!(now, [1.0, 2.5, 3.0, 5.0, 6.5]);
                check_told_once(&layout, &disk);
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
                assert!(first.to_string().starts_with("sync "), "{first}");
                refused += 1;
            }
        }
        check_as_seen(&layout, &disk, 15);
    }
    assert!(refused > 3, "{refused}");
}

#[test]
fn bar_by_bar_the_folder_is_not_listed_and_the_log_is_what_fresh_stores_write() {
    let layout = Layout::new(Path::new("/r"));
    let (one, fresh) = (SimDisk::new(Path::new("/r/data")), SimDisk::new(Path::new("/r/data")));
    let store = RawStore::new(&layout, &one, &series());
    store.prepare().unwrap();
    let mut before = None;
    // Days of six bars: forwards with holes, then before everything, then into the holes of days that were added since.
    let order = [60, 61, 66, 79, 85, 62, 30, 84, 31, 90, 29, 88, 102];
    for (n, at) in order.into_iter().enumerate() {
        let (value, seen) = ([(at, 1.0 + at as f64)], 10 + n as i64);
        store.put(&bars(&value), UtcMs::new(seen).unwrap()).unwrap();
        put(&fresh, &value, seen).unwrap();
        assert!(store.load(at / 6 - 1, at / 6).unwrap().iter().any(|bar| bar.ts == slot(at)));
        // By then the days are known, and the log of revisions is there.
        if at == 62 {
            before = Some(one.lists());
        }
    }
    assert_eq!(Some(one.lists()), before);
    let log = |disk: &SimDisk| disk.peek(&layout.revisions(&series())).unwrap();
    assert_eq!(String::from_utf8(log(&one)), String::from_utf8(log(&fresh)));
    let filled: Vec<SlotTs> = store.revisions().unwrap().iter().map(|told| told.ts).collect();
    assert_eq!(filled, [62, 84, 31, 88].map(slot));
}

#[test]
fn after_a_write_that_failed_the_store_knows_which_days_there_are() {
    let layout = Layout::new(Path::new("/r"));
    let at = |seen| UtcMs::new(seen).unwrap();
    let mut gone_on = 0;
    for fault in [Fault::Eio, Fault::Enospc] {
        for n in 0.. {
            let disk = SimDisk::new(Path::new("/r/data"));
            put(&disk, &[(60, 1.0)], 10).unwrap();
            let store = RawStore::new(&layout, &disk, &series());
            store.put(&bars(&[(61, 1.0)]), at(11)).unwrap();
            disk.fail_at(n, fault);
            if store.put(&bars(&[(72, 1.0), (90, 1.0)]), at(12)).is_ok() {
                break;
            }
            match store.put(&bars(&[(90, 1.0)]), at(13)) {
                Ok(_) => {}
                Err(StoreError::Poisoned { .. }) => continue,
                Err(other) => panic!("{other}"),
            }
            store.put(&bars(&[(80, 2.0), (96, 2.0)]), at(14)).unwrap();
            let told: Vec<SlotTs> = store.revisions().unwrap().iter().map(|it| it.ts).collect();
            assert_eq!(told, [slot(80)], "fault {fault:?} at {n}");
            gone_on += 1;
        }
    }
    assert!(gone_on > 6, "{gone_on}");
}
