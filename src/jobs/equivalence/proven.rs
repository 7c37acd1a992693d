//! How far a ledger was found equal to its replay, kept so that the next proof replays only what is new. A cache: the rows, the bars
//! and the commands before are compared by their digests each time, and anything that is not the same is replayed again from the start.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{both::Beside, flat::Given};
use crate::{
    domain::{
        bar::{TimedBar, hash_bars},
        time::{SlotTs, UtcMs},
    },
    session::{
        checkpoint::{Checkpoint, Proved, Stand, Whose},
        live::Place,
        reader::Files,
        render::Rows,
        signals::Used,
    },
    store::{
        digest::{Running, sha256_hex},
        disk::{Disk, parent},
        document::document,
        error::StoreError,
        lines::LineReader,
        raw::{RawStore, Revision},
        rows::{decisions::DECISIONS_HEADER, trades::TRADES_HEADER},
    },
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.proven/1";
/// Rows copied at once.
const ROWS_AT_ONCE: usize = 16_384;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    schema: String,
    /// Where the replay was behind the last row that was equal.
    pub checkpoint: Checkpoint,
    /// sha256 of the bars up to then, as they are stored.
    bars_sha256: String,
    /// sha256 of the revisions of these bars.
    revisions_sha256: String,
    /// LIVE's trade events that were equal.
    pub trades: usize,
    /// LIVE's rows that were hindered from outside, by reason.
    pub degraded: BTreeMap<String, usize>,
    /// Slots at which another run of LIVE took over.
    pub restarts: BTreeSet<i64>,
    /// The run that decided the last row.
    pub last_run: Option<String>,
    /// Close of the oldest bar that was used.
    pub floor_ts_ms: i64,
    sha256: Option<String>,
}

/// What a replay came to that was equal to the byte.
pub struct Equal<'a> {
    /// Where it stands behind the last row.
    pub stand: Stand<'a>,
    /// Trade events.
    pub trades: usize,
    /// What LIVE's files say beside.
    pub beside: &'a Beside,
    /// The oldest bar that was used.
    pub floor: SlotTs,
}

impl Proven {
    fn digest(&self) -> String {
        let bare = Self { sha256: None, ..self.clone() };
        sha256_hex(&serde_json::to_vec(&bare).expect("plain values serialise"))
    }

    /// Reads it and compares what it stands on; `None` where a proof has to begin at the first row. The second part says why, where
    /// there is something to say.
    pub fn find<D: Disk>(
        given: &Given<'_, '_, D>,
        revisions: &[Revision],
    ) -> Result<Option<Self>, String> {
        let Place { disk, layout, tag, series } = given.place;
        // The copy of signals is not digested here: with it, every row is replayed.
        if !given.terms.same_policy || !given.signals.is_empty() {
            return Ok(None);
        }
        let text = |error: StoreError| error.to_string();
        let read = disk.read(&layout.proven(tag, series)).map_err(|error| text(error.into()))?;
        let Some(bytes) = read else { return Ok(None) };
        let found: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if found.schema != SCHEMA || found.sha256.as_ref() != Some(&found.digest()) {
            return Err("it was changed after it was written".to_owned());
        }
        let checkpoint = &found.checkpoint;
        let whose = (whose(given), &Used::default());
        checkpoint.fits(*disk, (*layout, tag, series), whose, given.extent)?;
        let proved =
            checkpoint.proved(series.timeframe()).ok_or("a value in it is not possible")?;
        let last = proved.mark.after.ok_or("it has no row")?;
        if found.revisions_sha256 != revised(revisions, last) {
            return Err("bars were revised since".to_owned());
        }
        if found.bars_sha256 != bars(given, last).map_err(text)? {
            return Err("stored bars were changed since".to_owned());
        }
        let same = is_same(given, &proved).map_err(text)?;
        if !same {
            return Err("rows were changed since".to_owned());
        }
        Ok(Some(found))
    }

    /// Leaves one for the next proof. A disk that refuses costs that one time and nothing else.
    pub fn leave<D: Disk>(
        given: &Given<'_, '_, D>,
        revisions: &[Revision],
        equal: &Equal<'_>,
    ) -> Result<(), StoreError> {
        let Place { disk, layout, tag, series } = given.place;
        let Equal { stand, trades, beside, floor } = equal;
        let Some(last) = stand.proved.mark.after else { return Ok(()) };
        let mut proven = Self {
            schema: SCHEMA.to_owned(),
            checkpoint: Checkpoint::new(whose(given), stand.clone()),
            bars_sha256: bars(given, last)?,
            revisions_sha256: revised(revisions, last),
            trades: *trades,
            degraded: beside.degraded.clone(),
            restarts: beside.restarts.clone(),
            last_run: beside.last_run.as_ref().map(ToString::to_string),
            floor_ts_ms: floor.ts_ms(),
            sha256: None,
        };
        proven.sha256 = Some(proven.digest());
        let path = layout.proven(tag, series);
        disk.create_dir_all(parent(&path))?;
        Ok(disk.replace(&path, document(&proven).as_bytes())?)
    }
}

fn whose<'a, D: Disk>(given: &Given<'a, '_, D>) -> Whose<'a> {
    let Given { build, card, origin, commands, .. } = given;
    Whose { build, card, origin, commands }
}

fn revised(revisions: &[Revision], last: SlotTs) -> String {
    let known: Vec<_> = revisions.iter().filter(|revision| revision.ts <= last).collect();
    sha256_hex(format!("{known:?}").as_bytes())
}

/// sha256 of the stored bars that rows up to `last` can depend on: of whole days the files, of the last day the bars.
fn bars<D: Disk>(given: &Given<'_, '_, D>, last: SlotTs) -> Result<String, StoreError> {
    let Place { disk, layout, series, .. } = given.place;
    let anchor_ms = given.core.blocks(series.timeframe()).anchor_ms(given.window.first());
    let mut all = Running::default();
    for day in UtcMs::EPOCH.plus_ms(anchor_ms).day()..last.open_day() {
        let bytes = disk.read(&layout.partition(series, day))?.unwrap_or_default();
        all.add(&day.to_le_bytes());
        all.add(&bytes.len().to_le_bytes());
        all.add(&bytes);
    }
    let stored = RawStore::new(layout, *disk, series).load_day(last.open_day())?;
    let known: Vec<TimedBar> = stored.into_iter().filter(|bar| bar.ts <= last).collect();
    all.add(&hash_bars(&known).to_le_bytes());
    Ok(all.digest())
}

/// Whether LIVE's rows up to there are those that were proved.
fn is_same<D: Disk>(given: &Given<'_, '_, D>, proved: &Proved) -> Result<bool, StoreError> {
    let Proved { mut decisions, mut trades, .. } = Proved::nothing();
    copy(given, proved, &mut |rows| {
        rows.decisions.iter().for_each(|part| decisions.add(part));
        trades.add(&rows.trades);
        Ok(())
    })?;
    let same = |ours: &Running, theirs: &Running| ours.save() == theirs.save();
    Ok(same(&decisions, &proved.decisions) && same(&trades, &proved.trades))
}

/// Delivers LIVE's rows up to there.
pub fn copy<D: Disk>(
    given: &Given<'_, '_, D>,
    proved: &Proved,
    deliver: &mut dyn FnMut(&Rows) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Place { disk, layout, tag, series } = given.place;
    let Files { decisions, trades, timing: _ } = Files::of(layout, tag, series);
    let end = proved.mark.decisions.bytes;
    let mut lines = LineReader::of_rows(*disk, &decisions, DECISIONS_HEADER, end)?;
    while let Some(part) = lines.next(ROWS_AT_ONCE)? {
        deliver(&Rows { decisions: vec![part.bytes], trades: Vec::new() })?;
    }
    let end = proved.mark.trades.bytes;
    let mut lines = LineReader::of_rows(*disk, &trades, TRADES_HEADER, end)?;
    while let Some(part) = lines.next(ROWS_AT_ONCE)? {
        deliver(&Rows { decisions: Vec::new(), trades: part.bytes })?;
    }
    Ok(())
}
