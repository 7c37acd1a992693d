//! What was promised: a row that was reported survives everything, rows never change, and a replay comes to the same bytes.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use mjolnir::{
    domain::{
        bar::TimedBar,
        decision::{Decision, Reason, RiskState},
        ids::Tag,
        time::SlotTs,
    },
    session::{
        live::{Belief, Recovered, Session},
        record::{
            Decided, LedgerStart, Record, RecordBytes, Seen, SeenRows, ledger_start, load_bars,
            read_commands, read_origin, warm_up_bars,
        },
        replay::{AtEnd, ReplayRequest, RowBytes, render},
        signals::read_used,
    },
    store::{
        layout::Layout,
        raw::{RawStore, Revision},
        rows::{
            decisions::{DECISIONS_HEADER, DecisionLine},
            signals::SlotOrigin,
            table::{SeriesPrefix, push_decision},
            trades::TRADES_HEADER,
        },
    },
};

use super::{
    false_disk::{
        FalseDisk,
        Lie::{self, Append, Rename, Sync, SyncDir, Truncate},
    },
    systematic::Systematic,
    venue::{HOUR_MS, Listed},
    world::{World, card},
};
use crate::support::sim_disk::SimDisk;

/// How often something happened.
pub type Counts = BTreeMap<String, u64>;

/// What the loop told, and what was visible at that time.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// `decisions.csv` after the last report.
    pub decisions: Vec<u8>,
    /// `trades.csv` after the last report.
    pub trades: Vec<u8>,
    pub counts: Counts,
    /// Every decided slot, its reason, and the true time.
    pub rows: Vec<(SlotTs, Reason, i64)>,
    pub warned: Vec<String>,
    /// Whether the last decision was taken with entries forbidden.
    pub is_halted: bool,
}

pub fn tag() -> Tag {
    "sim".parse().unwrap()
}

pub fn files(layout: &Layout, world: &World, disk: &SimDisk) -> [Vec<u8>; 2] {
    [layout.decisions(&tag(), &world.series), layout.trades(&tag(), &world.series)]
        .map(|path| disk.peek(&path).unwrap_or_default())
}

/// What was used of the signals.
pub fn copy(world: &World, disk: &SimDisk) -> Vec<u8> {
    disk.peek(&world.layout.used_signals(&tag(), &world.series)).unwrap_or_default()
}

pub fn lines(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

impl Log {
    pub fn count(&mut self, what: &str, n: usize) {
        *self.counts.entry(what.to_owned()).or_default() += n as u64;
    }

    /// After a start: at most the row that was not reported any more is new.
    pub fn opened(&mut self, world: &World, disk: &SimDisk, recovered: &Recovered) {
        let [decisions, trades] = files(&world.layout, world, disk);
        assert!(decisions.starts_with(&self.decisions), "a start changed a row");
        assert!(trades.starts_with(&self.trades), "a start changed a trade");
        let most = lines(&self.decisions).max(1) + 1;
        assert!(lines(&decisions) <= most, "a start made up rows");
        (self.decisions, self.trades) = (decisions, trades);
        self.count("owed trades", recovered.trades_owed);
        self.count("torn cuts", recovered.cuts.len());
    }

    pub fn decided(
        &mut self,
        world: &World,
        disk: &SimDisk,
        decision: &Decision,
        origin: SlotOrigin,
    ) {
        push_decision(&mut self.decisions, &SeriesPrefix::new(&world.series), decision);
        let [decisions, trades] = files(&world.layout, world, disk);
        assert!(decisions == self.decisions, "what is told is not what is written");
        self.trades = trades;
        self.count(origin.name(), 1);
        self.count(decision.reason.as_str(), 1);
        self.is_halted = decision.risk_state != RiskState::Active;
    }

    /// After a death, before any recovery: nothing that was reported is gone, and at most one row more is there.
    pub fn check_durable(&self, world: &World, disk: &SimDisk) -> Result<(), String> {
        let [decisions, trades] = files(&world.layout, world, disk);
        if self.decisions.is_empty() {
            return Ok(());
        }
        if !decisions.starts_with(&self.decisions) {
            let left = decisions.iter().zip(&self.decisions).take_while(|(a, b)| a == b).count();
            let (told, left) = (lines(&self.decisions), lines(&decisions[..left]));
            return Err(format!("{told} lines of decisions were reported, {left} survived"));
        }
        if lines(&decisions) > lines(&self.decisions).max(1) + 1 {
            return Err("more than one row ahead of the reports".into());
        }
        if trades.starts_with(&self.trades) { Ok(()) } else { Err("a trade is gone".into()) }
    }
}

/// The two ledgers a replay of these inputs makes.
pub fn replayed(world: &World, inputs: &ReplayRequest) -> [Vec<u8>; 2] {
    let mut decisions = format!("{DECISIONS_HEADER}\n").into_bytes();
    let mut trades = format!("{TRADES_HEADER}\n").into_bytes();
    let deliver = |rows: &RowBytes| -> Result<(), ()> {
        rows.decisions.iter().for_each(|part| decisions.extend_from_slice(part));
        trades.extend_from_slice(&rows.trades);
        Ok(())
    };
    render(&world.core, inputs, &world.series, AtEnd::Keep, deliver).unwrap();
    [decisions, trades]
}

/// What each row says about its bars.
fn decided(record: &Record<'_>) -> Vec<Decided> {
    let one = |line: &DecisionLine<'_>| Decided {
        ts: line.ts(),
        degraded: line.degraded(),
        bar_hash: line.bar_hash(),
        seen_at: record.seen_at.get(&line.ts_ms()).copied(),
    };
    record.decisions.iter().map(one).collect()
}

/// What LIVE saw in a whole ledger: the warm-up bars, then those of its rows.
pub fn seen_bars(
    stored: &[TimedBar],
    revisions: &[Revision],
    decided: &[Decided],
    birth: LedgerStart,
) -> Seen {
    let mut bars = warm_up_bars(stored, revisions, decided[0].ts, birth);
    let rows = SeenRows::default().next(stored, revisions, decided);
    bars.extend(rows.bars);
    Seen { bars, unresolved: rows.unresolved }
}

/// Everything that must hold when all is quiet. Returns what was seen on the way.
pub fn check_final(world: &World, disk: &SimDisk, market: &[Listed]) -> Result<Counts, String> {
    if let Some(temp) = disk.files().iter().find(|path| path.to_string_lossy().ends_with(".tmp")) {
        return Err(format!("{} is left", temp.display()));
    }
    let honest = FalseDisk { disk, lie: Lie::Honest };
    let (layout, series, tag) = (&world.layout, &world.series, tag());
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let read = RecordBytes::read(&honest, layout, &tag, series).map_err(|e| text(&e))?;
    let bytes = read.ok_or("no ledger")?;
    let record = bytes.parse(layout, &tag, series).map_err(|e| text(&e))?;
    check_rows(&record, market)?;
    let window = record.window().ok_or("no rows")?;
    let now = window.last().close();
    let (core, card) = (world.core.clone(), (card(), "test"));
    Session::open(world.place(&honest), core, card, Belief::Nothing, now, true)
        .map_err(|e| format!("does not fold: {e}"))?;
    let raw = RawStore::new(layout, &honest, series);
    let (stored, revisions) = load_bars(&raw, window, world.blocks()).map_err(|e| text(&e))?;
    let commands = read_commands(&honest, layout, &tag).map_err(|e| text(&e))?;
    let origin = read_origin(&honest, layout, &tag, series).map_err(|e| text(&e))?;
    let origin = origin.ok_or("no origin")?;
    let (files, heard) = ((layout, &tag, series), world.core.strategy.signals());
    let used = read_used(&honest, files, heard, Some(&origin)).map_err(|e| text(&e))?;
    let birth = ledger_start(&origin, series).map_err(|e| text(&e))?;
    let Seen { bars, unresolved } = seen_bars(&stored, &revisions, &decided(&record), birth);
    let signals = used.signals;
    let inputs = ReplayRequest { window, bars, degraded: record.degraded(), commands, signals };
    if let Some(lost) = unresolved.first() {
        return Err(format!("the bars of {lost} are lost"));
    }
    let [decisions, trades] = replayed(world, &inputs);
    if decisions != bytes.decisions || trades != bytes.trades {
        return Err("a replay on the bars as seen differs".into());
    }
    let held = inputs.degraded.iter().filter(|(_, cause)| cause.holds_bar_back());
    let late = held.filter(|(ts, _)| inputs.bars.iter().any(|bar| bar.ts.ts_ms() == **ts)).count();
    let revised = revisions.iter().filter(|one| one.old.is_some()).count();
    let counts = [
        ("rows", record.decisions.len() as u64),
        ("trades", record.trades.len() as u64),
        ("late-delivered bars", late as u64),
        ("revised bars", revised as u64),
        ("filled holes", (revisions.len() - revised) as u64),
    ];
    Ok(counts.map(|(what, n)| (what.to_owned(), n)).into())
}

/// One row per slot, and none was decided on a bar that was still forming.
fn check_rows(record: &Record<'_>, market: &[Listed]) -> Result<(), String> {
    for pair in record.decisions.windows(2) {
        if pair[1].ts_ms() != pair[0].ts_ms() + HOUR_MS {
            return Err(format!("{} follows {}", pair[1].ts_ms(), pair[0].ts_ms()));
        }
    }
    for row in &record.decisions {
        let Some(close) = row.close() else { continue };
        let closed = market.binary_search_by_key(&row.ts(), |bar| bar.ts).map(|at| market[at]);
        if !closed.is_ok_and(|bar| [bar.first.close(), bar.last.close()].contains(&close)) {
            return Err(format!("{} was decided on a bar that never closed so", row.ts_ms()));
        }
    }
    Ok(())
}

/// What the simulation has to say about a disk.
fn verdict(all: &Systematic) -> Result<(), String> {
    for spot in all.spots() {
        catch_unwind(AssertUnwindSafe(|| all.strike(spot)))
            .unwrap_or_else(|_| Err("an assertion fails".into()))?;
    }
    Ok(())
}

#[test]
fn a_disk_that_lies_is_found_out() {
    for lie in [
        Sync("decisions.csv"),
        Sync("trades.csv"),
        Sync(".parquet"),
        Sync("revisions.csv"),
        Sync("origin.json"),
        SyncDir("/raw"),
        SyncDir("/decisions"),
        SyncDir("/trades"),
        Append("decisions.csv"),
        Append("trades.csv"),
        Append(".parquet"),
        Append("revisions.csv"),
        Truncate("decisions.csv"),
        Truncate("trades.csv"),
        Rename(".parquet"),
        Rename("decisions.csv"),
        Rename("origin.json"),
    ] {
        let found = verdict(&Systematic::new(lie));
        assert!(found.is_err(), "{lie:?} went unnoticed");
    }
    for lie in [Sync("signals.csv"), SyncDir("/signals")] {
        let found = verdict(&Systematic::hearing(lie));
        assert!(found.is_err(), "{lie:?} went unnoticed");
    }
}
