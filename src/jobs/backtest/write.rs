//! Writing a backtest's ledgers: into temporary files, made durable once, and put in place at the end. A crash leaves nothing half-written.

use thiserror::Error;

use crate::{
    engine::step::Core,
    session::{
        live::Place,
        render::{Played, Rows, render},
        replay::{AtEnd, Inputs},
    },
    store::{
        disk::{Disk, Staged},
        error::StoreError,
        rows::{decisions::DECISIONS_HEADER, trades::TRADES_HEADER},
    },
};

/// Why a backtest wrote nothing.
#[derive(Debug, Error)]
pub enum WriteError {
    /// There is one already.
    #[error("{0} exists already: choose another RUNID, or set on-existing = \"replace\"")]
    Exists(String),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do when the ledger is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExisting {
    /// Refuse.
    Fail,
    /// Replace it.
    Replace,
}

/// Plays the inputs into `decisions.csv` and `trades.csv` of a place. The caller holds its writer lock.
pub fn write_backtest<D: Disk>(
    place: &Place<'_, D>,
    core: &Core,
    inputs: &Inputs,
    at_end: AtEnd,
    on_existing: OnExisting,
) -> Result<Played, WriteError> {
    write_rows(place, on_existing, |deliver| {
        render(core, inputs, &place.series, at_end, deliver).map_err(WriteError::Store)
    })
}

/// Writes the rows that `play` delivers into both ledgers of a place, and puts them in place when it is done.
pub fn write_rows<T, E, D: Disk>(
    place: &Place<'_, D>,
    on_existing: OnExisting,
    play: impl FnOnce(&mut (dyn FnMut(&Rows) -> Result<(), StoreError> + Send)) -> Result<T, E>,
) -> Result<T, E>
where
    E: From<WriteError>,
{
    let Place { disk, layout, tag, series } = place;
    let store = |error: StoreError| E::from(WriteError::Store(error));
    let (decisions, trades) = (layout.decisions(tag, series), layout.trades(tag, series));
    let is_there = disk.len(&decisions).map_err(|error| store(error.into()))?.is_some();
    if on_existing == OnExisting::Fail && is_there {
        return Err(WriteError::Exists(decisions.display().to_string()).into());
    }
    let begin = || -> Result<[Staged; 2], StoreError> {
        for dir in [layout.decisions_dir(tag, series), layout.trades_dir(tag, series)] {
            disk.create_dir_all(&dir)?;
            disk.clean_temps(&dir)?;
        }
        Ok([disk.begin(&decisions)?, disk.begin(&trades)?])
    };
    let staged = begin().map_err(store)?;
    let headers = || -> Result<(), StoreError> {
        disk.append(staged[0].path(), format!("{DECISIONS_HEADER}\n").as_bytes())?;
        Ok(disk.append(staged[1].path(), format!("{TRADES_HEADER}\n").as_bytes())?)
    };
    let played = headers().map_err(store).and_then(|()| {
        play(&mut |rows: &Rows| {
            for piece in &rows.decisions {
                disk.append(staged[0].path(), piece)?;
            }
            if !rows.trades.is_empty() {
                disk.append(staged[1].path(), &rows.trades)?;
            }
            Ok(())
        })
    });
    let [staged_decisions, staged_trades] = staged;
    match played {
        Ok(played) => {
            // The decisions come last: where they are, all of it is. A table of what the rules saw would be that of the rows before.
            let finish = || {
                let table = layout.features(tag, series);
                if disk.len(&table)?.is_some() {
                    disk.remove(&table)?;
                }
                disk.finish(staged_trades)?;
                disk.finish(staged_decisions)
            };
            finish().map_err(|error| store(error.into()))?;
            Ok(played)
        }
        Err(error) => {
            disk.abandon(staged_trades);
            disk.abandon(staged_decisions);
            Err(error)
        }
    }
}
