//! How far a ledger was found equal to its replay, kept so that the next proof costs what is new. A cache: rows and bars that nothing has
//! touched since are not read again, others are compared by their digests, and where anything is not the same, every row is replayed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{both::Beside, flat::ReplayInputs};
use crate::{
    domain::{
        bar::{TimedBar, hash_bars},
        ids::Tag,
        series::Series,
        time::{SlotTs, UtcMs},
    },
    jobs::backtest::ledgers::Base,
    session::{
        checkpoint::{Checkpoint, CheckpointOwner, CheckpointState, Proved},
        live::LedgerLocation,
        reader::Files,
        replay::RowBytes,
        signals::Used,
        watch::Sighting,
    },
    store::{
        digest::{FileStamp, RunningDigest, sha256_hex},
        disk::{Disk, parent},
        document::document,
        error::StoreError,
        layout::Layout,
        lines::LineReader,
        raw::{RawStore, Revision},
        rows::{decisions::DECISIONS_HEADER, trades::TRADES_HEADER},
    },
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.proven/2";
/// Rows copied at once.
const ROWS_AT_ONCE: usize = 16_384;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    schema: String,
    /// Where the replay was behind the last row that was equal.
    pub checkpoint: Checkpoint,
    /// sha256 of the bars up to then, as they are stored.
    bars_sha256: String,
    /// Which of these bars are not read again while nothing touches them.
    settled: SettledDays,
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
    /// LIVE's ledgers before they were read; absent where the file system has no stamps.
    sighting: Option<Sighting>,
    /// The replay that has these rows.
    replay: Option<Replay>,
    sha256: Option<String>,
}

/// A replay as it was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    tag: String,
    files: [FileStamp; 2],
}

/// What an earlier proof knows.
pub struct KnownEqual {
    /// Its document.
    pub proven: Proven,
    /// The bars it used.
    pub stored: StoredBars,
    /// Whether its rows had to be read again.
    pub was_read: bool,
}

/// What a replay came to that was equal to the byte.
pub struct Equal<'a> {
    /// Where it stands behind the last row.
    pub stand: CheckpointState<'a>,
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

    /// Reads it and compares what it is about; `None` where a proof has to begin at the first row. The error says why, where there
    /// is something to say.
    pub(super) fn find<D: Disk>(
        given: &ReplayInputs<'_, '_, D>,
        revisions: &[Revision],
    ) -> Result<Option<KnownEqual>, String> {
        let LedgerLocation { disk, layout, tag, series } = given.place;
        // The copy of signals is not digested here: with it, every row is replayed.
        if !given.terms.same_policy || !given.signals.is_empty() {
            return Ok(None);
        }
        let text = |error: StoreError| error.to_string();
        let read = disk.read(&layout.proven(tag, series)).map_err(|error| text(error.into()))?;
        let Some(bytes) = read else { return Ok(None) };
        let proven: Self = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if proven.schema != SCHEMA {
            return Err("another version of this program wrote down what was proved".to_owned());
        }
        if proven.sha256.as_ref() != Some(&proven.digest()) {
            return Err("it was changed after it was written".to_owned());
        }
        let checkpoint = &proven.checkpoint;
        let whose = (owner(given), &Used::default());
        let fits = checkpoint.fits(*disk, (*layout, tag, series), whose, given.extent);
        fits.map_err(|error| error.to_string())?;
        let proved =
            checkpoint.proved(series.timeframe()).ok_or("a value in it is not possible")?;
        let last = proved.mark.after.ok_or("it has no row")?;
        if proven.revisions_sha256 != revised(revisions, last) {
            return Err("bars were revised since".to_owned());
        }
        let days = (first_day(given), last.open_day());
        let mut stored = StoredBars::behind(&bars(given), days, &proven.settled)
            .unwrap_or_else(|| StoredBars::from(days.0));
        if proven.bars_sha256 != stored.digest(&bars(given), last).map_err(text)? {
            return Err("stored bars were changed since".to_owned());
        }
        let sightings = given.sighting.as_ref().zip(proven.sighting.as_ref());
        let was_read = !sightings.is_some_and(|(now, then)| now.follows(then));
        if was_read && !is_same(given, &proved).map_err(text)? {
            return Err("rows were changed since".to_owned());
        }
        Ok(Some(KnownEqual { proven, stored, was_read }))
    }

    /// One for the next proof; `None` where that has nothing to go on from.
    pub fn new<D: Disk>(
        given: &ReplayInputs<'_, '_, D>,
        revisions: &[Revision],
        stored: &mut StoredBars,
        equal: &Equal<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let Equal { stand, trades, beside, floor } = equal;
        let Some(last) = stand.proved.mark.after else { return Ok(None) };
        let bars_sha256 = stored.digest(&bars(given), last)?;
        if stored.is_moving() {
            return Ok(None);
        }
        Ok(Some(Self {
            schema: SCHEMA.to_owned(),
            checkpoint: Checkpoint::new(owner(given), stand.clone()),
            bars_sha256,
            settled: stored.settled(),
            revisions_sha256: revised(revisions, last),
            trades: *trades,
            degraded: beside.degraded.clone(),
            restarts: beside.restarts.clone(),
            last_run: beside.last_run.as_ref().map(ToString::to_string),
            floor_ts_ms: floor.ts_ms(),
            sighting: given.sighting.clone(),
            replay: None,
            sha256: None,
        }))
    }

    /// Leaves it, with the replay that was made. A disk that refuses costs the next proof time and nothing else.
    pub fn leave<D: Disk>(
        mut self,
        live: &LedgerLocation<'_, D>,
        replay: &Tag,
    ) -> Result<(), StoreError> {
        let LedgerLocation { disk, layout, tag, series } = live;
        let Files { decisions, trades, timing: _ } = Files::of(layout, replay, series);
        let files = [disk.stamp(&decisions), disk.stamp(&trades)];
        if let [Some(decisions), Some(trades)] = files {
            self.replay = Some(Replay { tag: replay.to_string(), files: [decisions, trades] });
        }
        self.sha256 = Some(self.digest());
        let path = layout.proven(tag, series);
        disk.create_dir_all(parent(&path))?;
        Ok(disk.replace(&path, document(&self).as_bytes())?)
    }

    /// The tag of the replay that has the proved rows.
    pub fn replay(&self) -> Option<Tag> {
        self.replay.as_ref().and_then(|replay| replay.tag.parse().ok())
    }

    /// What a new replay can be built on: the older one, if it has the proved rows and nothing else, and nothing has touched it. The
    /// caller holds its lock.
    pub fn base<D: Disk>(&self, live: &LedgerLocation<'_, D>) -> Option<Base> {
        let LedgerLocation { disk, layout, series, .. } = live;
        let Files { decisions, trades, timing: _ } = Files::of(layout, &self.replay()?, series);
        let files = [decisions, trades];
        let known = self.replay.as_ref()?.files;
        let proved = self.checkpoint.extent();
        let bytes = known.map(|stamp| stamp.bytes());
        let is_same = files.each_ref().map(|path| disk.stamp(path)) == known.map(Some);
        let is_whole = bytes == [proved.decisions, proved.trades];
        (is_same && is_whole).then_some(Base { files, bytes })
    }
}

fn owner<'a, D: Disk>(given: &ReplayInputs<'a, '_, D>) -> CheckpointOwner<'a> {
    let ReplayInputs { build, card, origin, commands, .. } = given;
    CheckpointOwner { build, card, origin, commands }
}

/// Where the bars of a proof are.
fn bars<'a, D: Disk>(given: &ReplayInputs<'a, '_, D>) -> DigestedBars<'a, D> {
    let LedgerLocation { disk, layout, series, .. } = given.place;
    DigestedBars { disk: *disk, layout, series, now: given.now }
}

/// The first day whose bars a row can depend on.
pub fn first_day<D: Disk>(given: &ReplayInputs<'_, '_, D>) -> i64 {
    let blocks = given.core.blocks(given.place.series.timeframe());
    UtcMs::EPOCH.plus_ms(blocks.anchor_ms(given.window.first())).day()
}

fn revised(revisions: &[Revision], last: SlotTs) -> String {
    let known: Vec<_> = revisions.iter().filter(|revision| revision.ts <= last).collect();
    sha256_hex(format!("{known:?}").as_bytes())
}

/// Whether LIVE's rows up to there are those that were proved, by their bytes alone: no row is looked at.
fn is_same<D: Disk>(given: &ReplayInputs<'_, '_, D>, proved: &Proved) -> Result<bool, StoreError> {
    let LedgerLocation { disk, layout, tag, series } = given.place;
    let Files { decisions, trades, timing: _ } = Files::of(layout, tag, series);
    let same = |path: &Path, bytes: u64, known: &RunningDigest| -> Result<bool, StoreError> {
        Ok(RunningDigest::of_file(*disk, path, bytes)?.1.save() == known.save())
    };
    let Proved { mark, decisions: rows, trades: events } = proved;
    Ok(same(&decisions, mark.decisions.bytes, rows)? && same(&trades, mark.trades.bytes, events)?)
}

/// Delivers LIVE's rows up to there.
pub fn copy<D: Disk>(
    given: &ReplayInputs<'_, '_, D>,
    proved: &Proved,
    deliver: &mut dyn FnMut(&RowBytes) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let LedgerLocation { disk, layout, tag, series } = given.place;
    let Files { decisions, trades, timing: _ } = Files::of(layout, tag, series);
    let end = proved.mark.decisions.bytes;
    let mut lines = LineReader::of_rows(*disk, &decisions, DECISIONS_HEADER, end)?;
    while let Some(part) = lines.next(ROWS_AT_ONCE)? {
        deliver(&RowBytes { decisions: vec![part.bytes], trades: Vec::new() })?;
    }
    let end = proved.mark.trades.bytes;
    let mut lines = LineReader::of_rows(*disk, &trades, TRADES_HEADER, end)?;
    while let Some(part) = lines.next(ROWS_AT_ONCE)? {
        deliver(&RowBytes { decisions: Vec::new(), trades: part.bytes })?;
    }
    Ok(())
}

/// Whole days whose files are left alone, as they were digested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettledDays {
    /// The first day behind them.
    end: i64,
    /// Unfinished sha256 of their files.
    content: String,
    /// sha256 of their stamps.
    stamps: String,
}

/// Where bars are stored, and when the proof began that uses them.
#[derive(Debug)]
pub struct DigestedBars<'a, D: Disk> {
    pub disk: &'a D,
    pub layout: &'a Layout,
    pub series: &'a Series,
    /// Before anything was read.
    pub now: UtcMs,
}

/// A digest of stored bars, from some day on.
#[derive(Debug, Clone)]
pub struct StoredBars {
    /// The first day that is read each time.
    day: i64,
    /// Of the days before.
    content: RunningDigest,
    stamps: RunningDigest,
    /// Whether a whole day was changed since the proof began.
    is_moving: bool,
}

impl StoredBars {
    /// Before the first day.
    pub fn from(day: i64) -> Self {
        Self {
            day,
            content: RunningDigest::default(),
            stamps: RunningDigest::default(),
            is_moving: false,
        }
    }

    /// Behind the days that an earlier proof digested from `first` on, where their files have the same stamps. They are not behind `last`.
    pub fn behind<D: Disk>(
        bars: &DigestedBars<'_, D>,
        (first, last): (i64, i64),
        settled: &SettledDays,
    ) -> Option<Self> {
        if settled.end < first || last < settled.end {
            return None;
        }
        let mut stored = Self::from(first);
        for day in first..settled.end {
            let stamp = bars.disk.stamp(&bars.layout.partition(bars.series, day))?;
            add_stamp(&mut stored.stamps, &stamp);
        }
        if stored.stamps.digest() != settled.stamps {
            return None;
        }
        stored.content = RunningDigest::resume(&settled.content)?;
        stored.day = settled.end;
        Some(stored)
    }

    /// sha256 of the bars that rows up to `last` can depend on: of whole days the files, of the last day the bars.
    pub fn digest<D: Disk>(
        &mut self,
        bars: &DigestedBars<'_, D>,
        last: SlotTs,
    ) -> Result<String, StoreError> {
        let DigestedBars { disk, layout, series, now } = *bars;
        let mut all = self.content.clone();
        let mut is_settled = true;
        for day in self.day..last.open_day() {
            let path = layout.partition(series, day);
            // Looked at before it is read: what is written meanwhile has another stamp.
            let stamp = disk.stamp(&path);
            let bytes = disk.read(&path)?.unwrap_or_default();
            all.add(&day.to_le_bytes());
            all.add(&bytes.len().to_le_bytes());
            all.add(&bytes);
            self.is_moving |= stamp.is_some_and(|stamp| stamp.is_newer(now));
            let settled = stamp.filter(|stamp| is_settled && stamp.is_settled(now));
            is_settled = settled.is_some();
            if let Some(stamp) = settled {
                add_stamp(&mut self.stamps, &stamp);
                self.day = day + 1;
                self.content = all.clone();
            }
        }
        let stored = RawStore::new(layout, disk, series).load_day(last.open_day())?;
        let known: Vec<TimedBar> = stored.into_iter().filter(|bar| bar.ts <= last).collect();
        all.add(&hash_bars(&known).to_le_bytes());
        Ok(all.digest())
    }

    /// Whether a whole day was changed since the proof began, so that it may have used other bars than were digested.
    pub const fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// What the next proof need not read.
    pub fn settled(&self) -> SettledDays {
        SettledDays { end: self.day, content: self.content.save(), stamps: self.stamps.digest() }
    }
}

fn add_stamp(all: &mut RunningDigest, stamp: &FileStamp) {
    all.add(&serde_json::to_vec(stamp).expect("plain values serialise"));
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        io::{Seek as _, SeekFrom, Write as _},
        path::Path,
    };

    use super::*;
    use crate::{
        domain::{
            bar::ClosedBar,
            time::{Timeframe, Window},
        },
        exchange::feed,
        store::disk::RealDisk,
    };

    const LATE_MS: i64 = 7_000_000_000_000;

    /// Writes one byte of a file where it is, and puts back when it was written.
    fn edit(path: &Path, at: u64, byte: u8) {
        let mut file = File::options().write(true).open(path).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte]).unwrap();
        file.set_modified(written).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), written);
    }

    /// Four days of hourly bars, and the last of them.
    fn place(root: &Path) -> (Layout, RealDisk, Series, SlotTs) {
        let layout = Layout::new(root);
        let symbol = "BTC/USD".parse().unwrap();
        let series = Series::new("demo".parse().unwrap(), symbol, Timeframe::H1);
        let disk = RealDisk::new(layout.data());
        let first = Timeframe::H1.slot(3_600_000).unwrap();
        let last = first.plus(90);
        let all = feed::seeded_bars(7, Window::new(first, last).unwrap());
        let bars: Vec<ClosedBar> = all.into_iter().map(ClosedBar::archived).collect();
        let raw = RawStore::new(&layout, &disk, &series);
        raw.prepare().unwrap();
        raw.put(&bars, UtcMs::EPOCH).unwrap();
        (layout, disk, series, last)
    }

    fn later(of: &(Layout, RealDisk, Series, SlotTs)) -> DigestedBars<'_, RealDisk> {
        let now = UtcMs::new(LATE_MS).unwrap();
        DigestedBars { disk: &of.1, layout: &of.0, series: &of.2, now }
    }

    #[test]
    fn days_that_nothing_touched_are_not_read_again_and_lead_to_the_same_digest() {
        let temp = tempfile::tempdir().unwrap();
        let place = place(temp.path());
        let (bars, last) = (later(&place), place.3);
        let mut whole = StoredBars::from(0);
        let digest = whole.digest(&bars, last).unwrap();
        let settled = whole.settled();
        assert_eq!((settled.end, whole.is_moving()), (3, false));
        let mut again = StoredBars::behind(&bars, (0, 3), &settled).unwrap();
        assert_eq!(again.digest(&bars, last).unwrap(), digest);
        assert_eq!(again.settled(), settled);
        // Had it read them, what is written down would not matter.
        let wrong = SettledDays { content: RunningDigest::default().save(), ..settled.clone() };
        let mut wrong = StoredBars::behind(&bars, (0, 3), &wrong).unwrap();
        assert_ne!(wrong.digest(&bars, last).unwrap(), digest);
        // Fewer rows, and from another day on, it says nothing.
        assert!(StoredBars::behind(&bars, (0, 2), &settled).is_none());
        assert!(StoredBars::behind(&bars, (1, 3), &settled).is_none());
        // Day by day it comes to the same.
        let mut stepwise = StoredBars::from(0);
        stepwise.digest(&bars, last.plus(-48)).unwrap();
        assert_eq!(stepwise.settled().end, 1);
        assert_eq!(stepwise.digest(&bars, last).unwrap(), digest);
    }

    #[test]
    fn an_edit_of_a_day_that_keeps_length_and_time_of_writing_is_found() {
        let temp = tempfile::tempdir().unwrap();
        let place = place(temp.path());
        let (bars, last) = (later(&place), place.3);
        let mut whole = StoredBars::from(0);
        let digest = whole.digest(&bars, last).unwrap();
        let day = place.0.partition(&place.2, 1);
        let byte = fs::read(&day).unwrap()[20];
        edit(&day, 20, !byte);
        assert!(StoredBars::behind(&bars, (0, 3), &whole.settled()).is_none());
        let mut edited = StoredBars::from(0);
        assert_ne!(edited.digest(&bars, last).unwrap(), digest);
        // Touched, but the same again: it is read, and fits.
        edit(&day, 20, byte);
        assert!(StoredBars::behind(&bars, (0, 3), &whole.settled()).is_none());
        assert_eq!(StoredBars::from(0).digest(&bars, last).unwrap(), digest);
    }

    #[test]
    fn a_day_that_is_young_is_read_each_time() {
        let temp = tempfile::tempdir().unwrap();
        let place = place(temp.path());
        let bars = DigestedBars { now: UtcMs::EPOCH, ..later(&place) };
        let mut young = StoredBars::from(0);
        young.digest(&bars, place.3).unwrap();
        assert_eq!((young.settled().end, young.is_moving()), (0, true));
    }
}
