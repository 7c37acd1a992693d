//! What a backtest is given, and the ledgers that it writes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    domain::time::{SlotTs, Window},
    engine::{signals::Signals, step::Core},
    manifest::OnExisting,
    session::{
        error::SessionError,
        live::LedgerLocation,
        origin::LedgerOrigin,
        record::{Record, covered, ledger_start, read_commands, read_origin},
        replay::{AtEnd, ReadBars, ReplayOutcome, ReplayRequest, RowBytes, render_reading},
        signals::{read_programs, read_used},
    },
    store::{
        disk::{Disk, DiskResult, Staged, parent},
        error::StoreError,
        rows::{decisions::DECISIONS_HEADER, trades::TRADES_HEADER},
    },
};

/// The inputs of a window for a tag without a LIVE ledger, or for one whose record is not wanted, without bars. Signals are read from
/// the files of the programs themselves.
pub fn plain<D: Disk>(
    place: &LedgerLocation<'_, D>,
    window: Window,
    signals: &Signals,
) -> Result<ReplayRequest, StoreError> {
    let timeframe = place.series.timeframe();
    let (signals, said) = read_programs(place.disk, place.layout, signals, timeframe)?;
    for text in said {
        tracing::warn!("{text}");
    }
    let (degraded, commands, bars) = (BTreeMap::new(), Vec::new(), Vec::new());
    Ok(ReplayRequest { window, bars, degraded, commands, signals })
}

/// The inputs of a window with what LIVE recorded, without bars: its degraded slots, its operators' commands, the signals it used; and
/// the oldest bar that it could see.
pub fn recorded<D: Disk>(
    place: &LedgerLocation<'_, D>,
    record: &Record<'_>,
    window: Window,
    signals: &Signals,
) -> Result<(ReplayRequest, SlotTs), SessionError> {
    let origin = origin_of(place)?;
    let files = (place.layout, &place.tag, &place.series);
    covered(record, Some(&origin), files)?;
    let floor = ledger_start(&origin, &place.series)?.floor;
    let inputs = ReplayRequest {
        bars: Vec::new(),
        signals: read_used(place.disk, files, signals, Some(&origin))?.signals,
        degraded: record.degraded(),
        commands: read_commands(place.disk, place.layout, &place.tag)?,
        window,
    };
    Ok((inputs, floor))
}

fn origin_of<D: Disk>(place: &LedgerLocation<'_, D>) -> Result<LedgerOrigin, SessionError> {
    let missing = || SessionError::NoOrigin(place.layout.origin(&place.tag, &place.series));
    read_origin(place.disk, place.layout, &place.tag, &place.series)?.ok_or_else(missing)
}

/// Why a backtest wrote nothing.
#[derive(Debug, Error)]
pub enum WriteError {
    /// There is one already.
    #[error(
        "{0} exists already: choose another RUNID (-p runid=NAME), or replace it with --set backtest.on-existing=replace"
    )]
    Exists(String),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ledgers that begin with the rows that are to be written: what follows is appended to them, under names of their own. So a replay
/// that follows a replay costs its new rows, in time and on the disk. The older name then shows rows behind its last one.
#[derive(Debug)]
pub struct Base {
    /// `decisions.csv` and `trades.csv`.
    pub files: [PathBuf; 2],
    /// How long they are.
    pub bytes: [u64; 2],
}

/// Plays the inputs into `decisions.csv` and `trades.csv` of a place. The caller holds its writer lock.
pub fn write_backtest<D: Disk>(
    place: &LedgerLocation<'_, D>,
    core: &Core,
    (inputs, more): (&ReplayRequest, Option<ReadBars<'_, StoreError>>),
    at_end: AtEnd,
    on_existing: OnExisting,
) -> Result<ReplayOutcome, WriteError> {
    write_rows(place, on_existing, None, |_, deliver| {
        let played = render_reading(core, (inputs, more), &place.series, at_end, deliver);
        played.map_err(WriteError::Store)
    })
}

/// Writes the rows that `play` delivers into both ledgers of a place, and puts them in place when it is done. It is told whether the
/// rows of the base are there already. The caller holds the lock of the base.
pub fn write_rows<T, E, D: Disk>(
    place: &LedgerLocation<'_, D>,
    on_existing: OnExisting,
    base: Option<&Base>,
    play: impl FnOnce(
        bool,
        &mut (dyn FnMut(&RowBytes) -> Result<(), StoreError> + Send),
    ) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<WriteError>,
{
    let LedgerLocation { disk, layout, tag, series } = place;
    let store = |error: StoreError| E::from(WriteError::Store(error));
    let (decisions, trades) = (layout.decisions(tag, series), layout.trades(tag, series));
    let is_there = disk.len(&decisions).map_err(|error| store(error.into()))?.is_some();
    if on_existing == OnExisting::Fail && is_there {
        return Err(WriteError::Exists(decisions.display().to_string()).into());
    }
    let begin = || -> Result<(Option<&Base>, [Staged; 2]), StoreError> {
        for dir in [layout.decisions_dir(tag, series), layout.trades_dir(tag, series)] {
            disk.create_dir_all(&dir)?;
            disk.clean_temps(&dir)?;
        }
        // Where files cannot have two names, all rows are written.
        let onto =
            base.and_then(|base| Some((base, onto(*disk, base, [&decisions, &trades]).ok()?)));
        match onto {
            Some((base, staged)) => Ok((Some(base), staged)),
            None => Ok((None, fresh(*disk, [&decisions, &trades])?)),
        }
    };
    let (base, staged) = begin().map_err(store)?;
    let played = play(base.is_some(), &mut |rows: &RowBytes| {
        for piece in &rows.decisions {
            disk.append(staged[0].path(), piece)?;
        }
        if !rows.trades.is_empty() {
            disk.append(staged[1].path(), &rows.trades)?;
        }
        Ok(())
    });
    match played {
        Ok(played) => {
            // A table of what the rules saw would be that of the rows before.
            let table = layout.features(tag, series);
            if disk.len(&table).map_err(|error| store(error.into()))?.is_some() {
                disk.remove(&table).map_err(|error| store(error.into()))?;
            }
            finish(*disk, staged, base.is_some()).map_err(store)?;
            Ok(played)
        }
        Err(error) => {
            if let Some(base) = base {
                for (file, bytes) in staged.iter().zip(base.bytes) {
                    // Rows that stay behind in the base do no harm: a ledger that is longer than it was is not built on.
                    disk.truncate(file.path(), bytes).ok();
                }
            }
            for file in staged {
                disk.abandon(file);
            }
            for dir in [layout.decisions_dir(tag, series), layout.trades_dir(tag, series)] {
                remove_empty(*disk, &dir);
            }
            Err(error)
        }
    }
}

/// Removes the folder of a series under a tag, that of its symbol and that of the tag, as far as they are empty.
fn remove_empty<D: Disk>(disk: &D, dir: &Path) {
    let mut dir = dir;
    for _ in 0..3 {
        if disk.remove_dir(dir).is_err() {
            return;
        }
        dir = parent(dir);
    }
}

/// Both files, with their headers.
fn fresh<D: Disk>(disk: &D, targets: [&Path; 2]) -> DiskResult<[Staged; 2]> {
    let one = |target: &Path, header: &str| disk.stage(target, format!("{header}\n").as_bytes());
    let decisions = one(targets[0], DECISIONS_HEADER)?;
    match one(targets[1], TRADES_HEADER) {
        Ok(trades) => Ok([decisions, trades]),
        Err(error) => {
            disk.abandon(decisions);
            Err(error)
        }
    }
}

/// Both files, with the rows of a base.
fn onto<D: Disk>(disk: &D, base: &Base, targets: [&Path; 2]) -> DiskResult<[Staged; 2]> {
    let decisions = disk.begin_onto(targets[0], &base.files[0])?;
    match disk.begin_onto(targets[1], &base.files[1]) {
        Ok(trades) => Ok([decisions, trades]),
        Err(error) => {
            disk.abandon(decisions);
            Err(error)
        }
    }
}

fn finish<D: Disk>(
    disk: &D,
    [decisions, trades]: [Staged; 2],
    is_based: bool,
) -> Result<(), StoreError> {
    // The decisions come last: where they are, all of it is.
    for file in [trades, decisions] {
        let temp = file.path().to_owned();
        disk.finish(file)?;
        // A file that already has the other name keeps both when it is renamed.
        if is_based && disk.len(&temp)?.is_some() {
            disk.remove(&temp)?;
        }
    }
    Ok(())
}
