//! What a backtest is given: bars from disk, and what LIVE recorded under the same tag from outside the bars.

use std::collections::BTreeMap;

use crate::{
    domain::{
        bar::TimedBar,
        time::{SlotTs, Window},
    },
    engine::anchor::Blocks,
    session::{
        card::Origin,
        error::SessionError,
        live::Place,
        record::covered,
        record::{Record, birth, load_bars, read_commands, read_origin},
        replay::Inputs,
    },
    store::{disk::Disk, error::StoreError, raw::RawStore},
};

/// The inputs of a window for a tag without a LIVE ledger, or for one whose record is not wanted.
pub fn plain<D: Disk>(
    place: &Place<'_, D>,
    window: Window,
    blocks: Blocks,
) -> Result<Inputs, StoreError> {
    let raw = RawStore::new(place.layout, place.disk, &place.series);
    let (bars, _) = load_bars(&raw, window, blocks)?;
    Ok(Inputs { window, bars, degraded: BTreeMap::new(), commands: Vec::new() })
}

/// The inputs of a window with what LIVE recorded: its floor, its degraded slots, its operators' commands.
pub fn recorded<D: Disk>(
    place: &Place<'_, D>,
    record: &Record<'_>,
    window: Window,
    blocks: Blocks,
) -> Result<Inputs, SessionError> {
    let (plain, origin) = (plain(place, window, blocks)?, origin_of(place)?);
    covered(record, Some(&origin), (place.layout, &place.tag, &place.series))?;
    let floor = birth(&origin, &place.series)?.floor;
    Ok(Inputs {
        bars: above(plain.bars, floor),
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
