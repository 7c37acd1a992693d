//! Writing a backtest's ledgers: into temporary files, made durable once, and put in place at the end. A crash leaves nothing half-written.

use thiserror::Error;

use crate::{
    engine::{step::Core, strategy::Strategy},
    session::{
        live::Place,
        render::{Played, Rows, render},
        replay::{AtEnd, Inputs},
    },
    store::{
        disk::Disk,
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
pub fn write_backtest<S: Strategy, D: Disk>(
    place: &Place<'_, D>,
    core: &Core<S>,
    inputs: &Inputs,
    at_end: AtEnd,
    on_existing: OnExisting,
) -> Result<Played, WriteError> {
    let Place { disk, layout, tag, series } = place;
    let (decisions, trades) = (layout.decisions(tag, series), layout.trades(tag, series));
    if on_existing == OnExisting::Fail && disk.len(&decisions).map_err(StoreError::from)?.is_some()
    {
        return Err(WriteError::Exists(decisions.display().to_string()));
    }
    let write = || -> Result<Played, StoreError> {
        for dir in [layout.decisions_dir(tag, series), layout.trades_dir(tag, series)] {
            disk.create_dir_all(&dir)?;
            disk.clean_temps(&dir)?;
        }
        let staged = [disk.begin(&decisions)?, disk.begin(&trades)?];
        let played = (|| {
            disk.append(staged[0].path(), format!("{DECISIONS_HEADER}\n").as_bytes())?;
            disk.append(staged[1].path(), format!("{TRADES_HEADER}\n").as_bytes())?;
            render(core, inputs, series, at_end, |rows: &Rows| {
                for piece in &rows.decisions {
                    disk.append(staged[0].path(), piece)?;
                }
                if !rows.trades.is_empty() {
                    disk.append(staged[1].path(), &rows.trades)?;
                }
                Ok::<(), StoreError>(())
            })
        })();
        let [staged_decisions, staged_trades] = staged;
        match played {
            Ok(played) => {
                // The decisions come last: where they stand, all of it stands.
                disk.finish(staged_trades)?;
                disk.finish(staged_decisions)?;
                Ok(played)
            }
            Err(error) => {
                disk.abandon(staged_trades);
                disk.abandon(staged_decisions);
                Err(error)
            }
        }
    };
    write().map_err(WriteError::from)
}
