//! Ledgers on a disk that tears, fills NULs, fails once, and loses power.

use std::path::{Path, PathBuf};

use mjolnir::{
    domain::time::UtcMs,
    store::{
        disk::{Disk, parent},
        error::StoreError,
        layout::{Layout, Quarantine},
        ledger::{self, CutOff, Ledger},
    },
};

use crate::support::sim_disk::{Death, Fault, SimDisk};

const HEADER: &str = "ts_ms,what";
const ROWS: [&str; 3] = ["300000,one\n", "600000,two\n", "900000,three\n"];

fn place() -> (PathBuf, Quarantine) {
    let layout = Layout::new(Path::new("/r"));
    let path = layout.data().join("l/ledger.csv");
    let quarantine = layout.quarantine(&path, UtcMs::EPOCH);
    (path, quarantine)
}

fn open(disk: &SimDisk) -> Result<(Ledger<'_, SimDisk>, Option<CutOff>), StoreError> {
    let (path, quarantine) = place();
    disk.create_dir_all(parent(&path))?;
    disk.clean_temps(parent(&path))?;
    let found = ledger::inspect(disk, &path, HEADER)?;
    ledger::open(disk, &found, &quarantine)
}

fn planted(bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::new(Path::new("/r/data"));
    disk.plant(&place().0, bytes);
    disk
}

fn full() -> Vec<u8> {
    format!("{HEADER}\n{}", ROWS.concat()).into_bytes()
}

#[test]
fn c10_a_tail_torn_at_any_byte_is_cut_to_the_last_whole_row_and_kept() {
    let full = full();
    let (path, quarantine) = place();
    for len in 0..=full.len() {
        for nuls in [0, 1, 7] {
            let torn = [&full[..len], &vec![0; nuls]].concat();
            let disk = planted(&torn);
            let (ledger, cut) = open(&disk).unwrap();
            drop(ledger);
            let header = HEADER.len() + 1;
            let whole = full[..len].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let expected = if whole == 0 { &full[..header] } else { &full[..whole] };
            assert_eq!(disk.peek(&path).unwrap(), expected, "cut at {len}, {nuls} NULs");
            let kept = disk.peek(&quarantine.path(0)).unwrap_or_default();
            assert_eq!(kept, &torn[whole..]);
            assert_eq!(cut.is_some(), whole != torn.len() || whole == 0);
            disk.restart(Death::PowerNothing);
            assert_eq!(disk.peek(&path).unwrap(), expected);
            assert_eq!(disk.peek(&quarantine.path(0)).unwrap_or_default(), kept);
        }
    }
}

#[test]
fn damage_is_refused_and_nothing_is_touched() {
    for bytes in [&b"other,header\n1,2\n"[..], b"ts_ms,what\n1,\0\n2,b\n"] {
        let disk = planted(bytes);
        let error = open(&disk).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }) && !error.is_io(), "{error}");
        assert_eq!(disk.peek(&place().0).unwrap(), bytes);
        assert_eq!(disk.files().len(), 1);
    }
}

#[test]
fn opening_can_fail_or_die_at_every_operation_and_the_next_start_gets_there() {
    let torn = [full(), b"1200000,fo".to_vec()].concat();
    for fault in [Fault::Eio, Fault::Enospc, Fault::CrashBefore, Fault::CrashAfter, Fault::Tear(3)]
    {
        for start in [None, Some(&torn[..]), Some(&b"ts_m"[..])] {
            for n in 0.. {
                let disk = start.map_or_else(|| SimDisk::new(Path::new("/r/data")), planted);
                disk.fail_at(n, fault);
                let is_done = open(&disk).is_ok() && disk.is_fault_pending();
                if is_done {
                    break;
                }
                disk.restart(Death::Power(n as u64));
                drop(open(&disk).unwrap());
                let expected = match start {
                    Some(bytes) if bytes.len() > 10 => full(),
                    Some(_) | None => format!("{HEADER}\n").into_bytes(),
                };
                assert_eq!(disk.peek(&place().0).unwrap(), expected, "{fault:?} {n}");
            }
        }
    }
}

#[test]
fn a_failed_write_is_rolled_back_and_the_ledger_goes_on() {
    for fault in [Fault::Eio, Fault::Enospc] {
        let disk = planted(&full());
        let (mut ledger, _) = open(&disk).unwrap();
        disk.fail_at(0, fault);
        assert!(ledger.append(b"1200000,four\n", true).unwrap_err().is_io());
        assert!(!ledger.is_poisoned());
        assert_eq!(disk.peek(&place().0).unwrap(), full());
        ledger.append(b"1200000,four\n", true).unwrap();
        assert_eq!(disk.peek(&place().0).unwrap(), [&full()[..], b"1200000,four\n"].concat());
        assert_eq!(ledger.len_bytes() as usize, full().len() + 13);
    }
}

#[test]
fn a_failed_sync_is_final() {
    let disk = planted(&full());
    let (mut ledger, _) = open(&disk).unwrap();
    disk.fail_at(1, Fault::Eio);
    assert!(ledger.append(b"1200000,four\n", true).is_err());
    assert!(ledger.is_poisoned());
    let ops = disk.ops();
    for result in [ledger.append(b"1500000,five\n", true), ledger.sync()] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Poisoned { .. }) && error.is_io(), "{error}");
    }
    assert_eq!(disk.ops(), ops, "nothing is tried again");
}

#[test]
fn a_failed_roll_back_is_final() {
    let disk = planted(&full());
    let (mut ledger, _) = open(&disk).unwrap();
    disk.fail_at(0, Fault::Tear(4));
    assert!(ledger.append(b"1200000,four\n", true).is_err());
    assert!(ledger.is_poisoned());
    disk.restart(Death::Process);
    assert!(matches!(ledger.append(b"x\n", true).unwrap_err(), StoreError::Poisoned { .. }));
    drop(ledger);
    let (_, cut) = open(&disk).unwrap();
    assert_eq!(cut.unwrap().bytes, 4);
    assert_eq!(disk.peek(&place().0).unwrap(), full());
}

/// Appends the rows one by one, restarting after every death, as the live loop does.
#[test]
fn c7_synced_rows_survive_every_death_and_no_row_is_ever_broken() {
    let rows: Vec<String> = (1..=12).map(|n| format!("{},row{n}\n", n * 300_000)).collect();
    let expected = format!("{HEADER}\n{}", rows.concat());
    let mut crashes = 0;
    for seed in 0..300_u64 {
        let disk = SimDisk::new(Path::new("/r/data"));
        let mut owed = 0;
        let mut round = 0;
        loop {
            round += 1;
            let mix = seed.wrapping_mul(0x9E37_79B9).wrapping_add(round * 7919);
            if round < 30 {
                let fault = match mix % 4 {
                    0 => Fault::Tear((mix / 4 % 14) as usize),
                    1 => Fault::CrashBefore,
                    2 => Fault::Enospc,
                    _ => Fault::CrashAfter,
                };
                disk.fail_at((mix / 64 % 40) as usize, fault);
            }
            let written = run(&disk, &rows, &mut owed);
            if written.is_ok() && !disk.is_dead() {
                break;
            }
            crashes += 1;
            let death = if mix % 3 == 0 { Death::Process } else { Death::Power(mix) };
            disk.restart(death);
            let left = disk.peek(&place().0).unwrap_or_default();
            let whole = left.split(|byte| *byte == b'\n').count() - 1;
            assert!(whole > owed || owed == 0, "seed {seed}: {owed} rows owed, {whole} lines left");
        }
        assert_eq!(disk.peek(&place().0).unwrap(), expected.as_bytes(), "seed {seed}");
    }
    assert!(crashes > 900, "{crashes}");
}

fn run(disk: &SimDisk, rows: &[String], owed: &mut usize) -> Result<(), StoreError> {
    let (path, _) = place();
    let (mut ledger, _) = open(disk)?;
    let text = disk.read(&path)?.unwrap_or_default();
    let done = text.split(|byte| *byte == b'\n').count() - 2;
    assert!(done >= *owed);
    for row in &rows[done..] {
        ledger.append(row.as_bytes(), true)?;
        *owed += 1;
    }
    *owed = rows.len();
    Ok(())
}
