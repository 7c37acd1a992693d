//! What a backtest is given: bars from disk, and what LIVE recorded under the same tag from outside the bars.

use std::collections::BTreeMap;

use crate::{
    domain::{
        bar::TimedBar,
        time::{SlotTs, Window},
    },
    engine::{anchor::Blocks, signals::Signals},
    session::{
        card::Origin,
        error::SessionError,
        live::Place,
        record::covered,
        record::{Record, birth, load_bars, read_commands, read_origin},
        replay::Inputs,
        signals::{read_programs, read_used},
    },
    store::{disk::Disk, error::StoreError, raw::RawStore},
};

/// The inputs of a window for a tag without a LIVE ledger, or for one whose record is not wanted. Signals are read from the files of
/// the programs themselves.
pub fn plain<D: Disk>(
    place: &Place<'_, D>,
    window: Window,
    (blocks, signals): (Blocks, &Signals),
) -> Result<Inputs, StoreError> {
    let timeframe = place.series.timeframe();
    let (signals, said) = read_programs(place.disk, place.layout, signals, timeframe)?;
    for text in said {
        tracing::warn!("{text}");
    }
    let (degraded, commands) = (BTreeMap::new(), Vec::new());
    Ok(Inputs { window, bars: bars(place, window, blocks)?, degraded, commands, signals })
}

fn bars<D: Disk>(
    place: &Place<'_, D>,
    window: Window,
    blocks: Blocks,
) -> Result<Vec<TimedBar>, StoreError> {
    let raw = RawStore::new(place.layout, place.disk, &place.series);
    Ok(load_bars(&raw, window, blocks)?.0)
}

/// The inputs of a window with what LIVE recorded: its floor, its degraded slots, its operators' commands, the signals it used.
pub fn recorded<D: Disk>(
    place: &Place<'_, D>,
    record: &Record<'_>,
    window: Window,
    (blocks, signals): (Blocks, &Signals),
) -> Result<Inputs, SessionError> {
    let (bars, origin) = (bars(place, window, blocks)?, origin_of(place)?);
    let files = (place.layout, &place.tag, &place.series);
    covered(record, Some(&origin), files)?;
    let floor = birth(&origin, &place.series)?.floor;
    Ok(Inputs {
        bars: above(bars, floor),
        signals: read_used(place.disk, files, signals, Some(&origin))?.signals,
        degraded: record.degraded(),
        commands: read_commands(place.disk, place.layout, &place.tag)?,
        window,
    })
}

fn above(mut bars: Vec<TimedBar>, floor: SlotTs) -> Vec<TimedBar> {
    bars.retain(|bar| bar.ts >= floor);
    bars
}

fn origin_of<D: Disk>(place: &Place<'_, D>) -> Result<Origin, SessionError> {
    let missing = || SessionError::NoOrigin(place.layout.origin(&place.tag, &place.series));
    read_origin(place.disk, place.layout, &place.tag, &place.series)?.ok_or_else(missing)
}
