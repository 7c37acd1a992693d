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
        cover::covered,
        error::SessionError,
        live::Place,
        record::{Record, birth, inputs_as_seen, load_bars, read_commands, read_origin},
        replay::Inputs,
    },
    store::{
        disk::Disk,
        error::StoreError,
        raw::{RawStore, Revision},
    },
};

/// Bars as stored today and as LIVE saw them, with everything else LIVE recorded.
pub struct LiveInputs {
    /// On the bars LIVE saw.
    pub as_seen: Inputs,
    /// On today's store.
    pub as_is: Inputs,
    /// Slots whose bars as seen could not be found again.
    pub unresolved: Vec<SlotTs>,
    /// The revision log of the series.
    pub revisions: Vec<Revision>,
    /// How the ledger began.
    pub origin: Origin,
}

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

/// Both views of LIVE's own window.
pub fn both_views<D: Disk>(
    place: &Place<'_, D>,
    record: &Record<'_>,
    window: Window,
    blocks: Blocks,
) -> Result<LiveInputs, SessionError> {
    let raw = RawStore::new(place.layout, place.disk, &place.series);
    let origin = origin_of(place)?;
    covered(record, Some(&origin), (place.layout, &place.tag, &place.series))?;
    let birth = birth(&origin, &place.series)?;
    let (stored, revisions) = load_bars(&raw, window, blocks)?;
    let commands = read_commands(place.disk, place.layout, &place.tag)?;
    let (as_seen, unresolved) =
        inputs_as_seen(record, window, (&stored, &revisions), commands.clone(), birth);
    let degraded = as_seen.degraded.clone();
    let as_is = Inputs { window, bars: above(stored, birth.floor), degraded, commands };
    Ok(LiveInputs { as_seen, as_is, unresolved, revisions, origin })
}

fn above(mut bars: Vec<TimedBar>, floor: SlotTs) -> Vec<TimedBar> {
    bars.retain(|bar| bar.ts >= floor);
    bars
}

fn origin_of<D: Disk>(place: &Place<'_, D>) -> Result<Origin, SessionError> {
    let missing = || SessionError::NoOrigin(place.layout.origin(&place.tag, &place.series));
    read_origin(place.disk, place.layout, &place.tag, &place.series)?.ok_or_else(missing)
}
