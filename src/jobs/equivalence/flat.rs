//! The replay of LIVE's window, made piece by piece as LIVE's ledger is read: written, and compared, on the bars LIVE saw; and
//! compared on today's bars, where those differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    both::{Beside, Compared},
    compare::{Comparer, ComparisonRules, LedgerComparison, Spans},
    prove::Digests,
    proven::{Equal, KnownEqual, Proven, StoredBars, copy, first_day},
};
use crate::{
    domain::{
        bar::TimedBar,
        command::Command,
        decision::Degraded,
        time::{SlotTs, UtcMs, Window},
    },
    engine::{signals::Signals, step::Core},
    session::{
        checkpoint::{CheckpointState, Proved},
        error::SessionError,
        fold::{self, next_seen},
        live::LedgerLocation,
        origin::{LedgerOrigin, StrategySettings},
        reader::{DecisionRow, Extent, Files, LedgerPiece, RecordReader},
        record::{End, SeenRows, begins, ends, ledger_start, stored_bars, warm_up_bars},
        replay::{Player, RowBytes, format},
        watch::Sighting,
    },
    store::{
        disk::Disk,
        error::StoreError,
        raw::{RawStore, Revision},
        rows::table::SeriesPrefix,
    },
};

/// Rows replayed at once: enough to keep every core busy, little to keep in memory.
const ROWS_AT_ONCE: usize = 16_384;

/// What a replay is made of.
pub struct ReplayInputs<'a, 'd, D: Disk> {
    /// LIVE's ledger.
    pub place: &'a LedgerLocation<'d, D>,
    /// How much of it.
    pub extent: Extent,
    /// First and last row.
    pub window: Window,
    /// How it began.
    pub origin: &'a LedgerOrigin,
    /// The commands of the tag.
    pub commands: &'a [Command],
    /// What LIVE used of its signals.
    pub signals: &'a Signals,
    /// Strategy and rules of the backtest.
    pub core: &'a Core,
    /// The same as text.
    pub card: &'a StrategySettings,
    pub build: &'a str,
    /// LIVE's ledgers before they were read.
    pub sighting: Option<Sighting>,
    /// Before anything was read.
    pub now: UtcMs,
    /// Whether stops fill by the same rule on both sides.
    pub terms: ComparisonRules,
}

/// What came of it.
pub struct Replayed {
    /// On the bars LIVE saw.
    pub seen: Compared,
    /// On today's bars; `None` where they are the same.
    pub today: Option<LedgerComparison>,
    /// Slots whose bars were revised, filled in, or cannot be found as seen.
    pub revised: BTreeSet<i64>,
    /// The oldest bar that was used.
    pub floor: SlotTs,
    /// Rows that an earlier proof replayed, and that were not replayed again.
    pub known: u64,
    /// Whether these rows had to be read.
    pub was_read: bool,
    /// Digests of what was read and of what was delivered.
    pub digests: Digests,
    /// What the next proof can go on from.
    pub proven: Option<Proven>,
}

/// One replay: its bars since the anchor of what comes next, and what it was compared to.
#[derive(Clone)]
struct Side<'a> {
    player: Player<'a>,
    bars: Vec<TimedBar>,
    comparer: Comparer,
}

impl Side<'_> {
    /// Plays one piece and compares it.
    fn play(
        &mut self,
        piece: &LedgerPiece,
        degraded: &BTreeMap<i64, Degraded>,
        prefix: &SeriesPrefix,
        place: &LedgerLocation<'_, impl Disk>,
    ) -> RowBytes {
        let batch = self.player.play(piece.window(), &self.bars, degraded);
        let rows = format(&batch, prefix, &place.series);
        let made = rows.decisions.iter().flat_map(|part| lines(part));
        for (row, made) in piece.rows.iter().zip(made) {
            self.comparer.rows(row.decided.ts.ts_ms(), piece.text(row), made);
        }
        let made = batch.trades.iter().zip(lines(&rows.trades));
        self.comparer.trades(
            piece.trades.iter().map(|trade| (trade.ts.ts_ms(), trade.text.as_str())),
            made.map(|(event, text)| (event.ts.ts_ms(), text)),
        );
        rows
    }

    /// Lets go the bars that nothing that comes can depend on.
    fn forget(&mut self, next: SlotTs) {
        let anchor_ms = self.player.needs_from_ms(next);
        let many = self.bars.partition_point(|bar| bar.ts.open_ms() < anchor_ms);
        self.bars.drain(..many);
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    str::from_utf8(bytes).expect("rows are text").lines()
}

/// A replay of LIVE's window under way.
pub struct Replaying<'a> {
    /// On the bars LIVE saw.
    seen: Side<'a>,
    /// On today's bars, from where they differ.
    today: Option<Side<'a>>,
    held: SeenRows,
    beside: Beside,
    proved: Proved,
    last_row: String,
    unresolved: Vec<SlotTs>,
    floor: SlotTs,
    /// Rows that are not played.
    known: u64,
    /// The earlier proof that knows them.
    earlier: Option<Proven>,
    was_read: bool,
    stored: StoredBars,
    revisions: Vec<Revision>,
}

impl<'a> Replaying<'a> {
    /// Before the first row, or behind those that an earlier proof found equal and that are still the same.
    pub fn start<D: Disk>(given: &ReplayInputs<'a, '_, D>) -> Result<Self, SessionError> {
        let LedgerLocation { disk, layout, series, .. } = given.place;
        let raw = RawStore::new(layout, *disk, series);
        let revisions = raw.revisions()?;
        let known = Proven::find(given, &revisions).unwrap_or_else(|why| {
            tracing::info!("every row is replayed, since {why}");
            None
        });
        let behind = known.and_then(|known| Self::behind(given, (&raw, &revisions), known));
        let mut course = match behind {
            Some(course) => course,
            None => Self::fresh(given, &raw, &revisions)?,
        };
        course.revisions = revisions;
        Ok(course)
    }

    /// The earlier proof that it goes on from.
    pub fn earlier(&self) -> Option<&Proven> {
        self.earlier.as_ref()
    }

    /// Plays what is left and delivers the rows made on the bars LIVE saw; the known ones only where they are not there yet.
    pub fn run<D: Disk>(
        mut self,
        given: &ReplayInputs<'a, '_, D>,
        is_based: bool,
        deliver: &mut dyn FnMut(&RowBytes) -> Result<(), StoreError>,
    ) -> Result<Replayed, SessionError> {
        let LedgerLocation { disk, layout, tag, series } = given.place;
        let files = (*layout, tag, series);
        let raw = RawStore::new(layout, *disk, series);
        if !is_based {
            // The same bytes have the same digest.
            copy(given, &self.proved, deliver)?;
        }
        let paths = Files::of(layout, tag, series);
        let behind = (&self.proved.mark, ROWS_AT_ONCE);
        let mut reader = RecordReader::behind(*disk, &paths, series, given.extent, behind)?;
        let Proved { mut decisions, mut trades, .. } = self.proved.clone();
        while let Some(piece) = reader.next()? {
            if piece.window().first() == given.window.first() {
                let timed = piece.timing.first().map(|timing| timing.ts.ts_ms());
                begins(piece.window().first(), timed, Some(given.origin), files)?;
            }
            let rows = self.play(given, &raw, &piece)?;
            rows.decisions.iter().for_each(|part| decisions.add(part));
            trades.add(&rows.trades);
            deliver(&rows)?;
        }
        ends(&End::of(&mut reader)?, files)?;
        let proven = self.proven(given);
        // Trades behind the last row are not read.
        let all_trades = self.proved.mark.trades.bytes == given.extent.trades;
        let live =
            [Some(self.proved.decisions.digest()), all_trades.then(|| self.proved.trades.digest())];
        let digests = [live, [decisions, trades].map(|running| Some(running.digest()))];
        let Self { seen, today, beside, unresolved, floor, known, was_read, revisions, .. } = self;
        let logged = revisions.iter().map(|revision| revision.ts);
        let logged = logged.filter(|ts| *ts <= given.window.last());
        Ok(Replayed {
            seen: beside.with(seen.comparer.finish()),
            today: today.map(|side| side.comparer.finish()),
            revised: logged.chain(unresolved).map(SlotTs::ts_ms).collect(),
            floor,
            known,
            was_read,
            digests,
            proven,
        })
    }

    fn spans<D: Disk>(given: &ReplayInputs<'_, '_, D>) -> Spans {
        let span = (given.window.first().ts_ms(), given.window.last().ts_ms());
        Spans { live: span, backtest: span }
    }

    /// Before the first row.
    fn fresh<D: Disk>(
        given: &ReplayInputs<'a, '_, D>,
        raw: &RawStore<'_, D>,
        revisions: &[Revision],
    ) -> Result<Self, SessionError> {
        let first = given.window.first();
        let birth = ledger_start(given.origin, raw.series())?;
        let anchor_ms = given.core.blocks(first.timeframe()).anchor_ms(first);
        let mut stored = stored_bars(raw, anchor_ms, first)?;
        stored.retain(|bar| birth.floor <= bar.ts && bar.ts < first);
        let bars = warm_up_bars(&stored, revisions, first, birth);
        let player =
            Player::new(given.core, first, given.commands.to_vec()).hearing(given.signals.clone());
        let comparer = Comparer::new(Self::spans(given), given.terms);
        let floor = bars.first().map_or(first, |bar| bar.ts);
        let seen = Side { player, bars, comparer };
        let today = (stored != seen.bars).then(|| Side { bars: stored, ..seen.clone() });
        Ok(Self {
            seen,
            today,
            held: SeenRows::default(),
            beside: Beside::default(),
            proved: Proved::nothing(),
            last_row: String::new(),
            unresolved: Vec::new(),
            floor,
            known: 0,
            earlier: None,
            was_read: true,
            stored: StoredBars::from(first_day(given)),
            revisions: Vec::new(),
        })
    }

    /// Behind what an earlier proof found equal; `None` where that cannot be gone on from.
    fn behind<D: Disk>(
        given: &ReplayInputs<'a, '_, D>,
        store: (&RawStore<'_, D>, &[Revision]),
        known: KnownEqual,
    ) -> Option<Self> {
        let KnownEqual { proven, stored, was_read } = known;
        let timeframe = given.window.first().timeframe();
        let checkpoint = &proven.checkpoint;
        let proved = checkpoint.proved(timeframe)?;
        let (held, last) = (checkpoint.held(timeframe)?, proved.mark.after?);
        let state = checkpoint.restore(given.core, timeframe)?;
        let fold = fold::FoldInputs {
            place: given.place,
            core: given.core,
            card: given.card,
            origin: Some(given.origin),
            commands: given.commands,
            signals: given.signals,
        };
        let bars = fold::since_anchor(&fold, store, checkpoint.extent(), last).ok()?;
        let commands = given.commands.to_vec();
        let player = Player::behind(given.core, last, commands, (state, held.clone()));
        let rows = checkpoint.rows();
        let comparer = Comparer::behind(Self::spans(given), (rows as usize, proven.trades));
        let last_run = match &proven.last_run {
            Some(run) => Some(run.parse().ok()?),
            None => None,
        };
        let (degraded, restarts) = (proven.degraded.clone(), proven.restarts.clone());
        Some(Self {
            seen: Side { player, bars, comparer },
            today: None,
            held: SeenRows::behind(held),
            beside: Beside { degraded, restarts, last_run },
            last_row: checkpoint.last_row().to_owned(),
            proved,
            unresolved: Vec::new(),
            floor: timeframe.slot(proven.floor_ts_ms).ok()?,
            known: rows,
            earlier: Some(proven),
            was_read,
            stored,
            revisions: Vec::new(),
        })
    }

    /// Plays one piece on both views of its bars, and returns the rows on those LIVE saw.
    fn play<D: Disk>(
        &mut self,
        given: &ReplayInputs<'_, '_, D>,
        raw: &RawStore<'_, D>,
        piece: &LedgerPiece,
    ) -> Result<RowBytes, SessionError> {
        let (from, to) = (piece.window().first(), piece.window().last());
        let (mut stored, found) = next_seen(&mut self.held, raw, &self.revisions, piece)?;
        self.unresolved.extend(found.unresolved);
        stored.retain(|bar| from <= bar.ts);
        if self.today.is_none() && stored != found.bars {
            self.today = Some(self.seen.clone());
        }
        self.seen.bars.extend(found.bars);
        let (prefix, degraded) = (SeriesPrefix::new(raw.series()), degraded(piece));
        let rows = self.seen.play(piece, &degraded, &prefix, given.place);
        self.seen.forget(to.next());
        if let Some(today) = &mut self.today {
            today.bars.append(&mut stored);
            today.play(piece, &degraded, &prefix, given.place);
            today.forget(to.next());
        }
        self.beside.add(piece);
        self.proved.add(piece);
        piece.last_text().clone_into(&mut self.last_row);
        Ok(rows)
    }

    /// What is equal to the byte, on bars that are today what they were.
    fn proven<D: Disk>(&mut self, given: &ReplayInputs<'_, '_, D>) -> Option<Proven> {
        let is_plain =
            self.today.is_none() && self.unresolved.is_empty() && given.terms.same_policy;
        let is_plain = is_plain && given.signals.is_empty();
        let trades = self.seen.comparer.identical_trades().filter(|_| is_plain)?;
        let player = &self.seen.player;
        let stand = CheckpointState {
            proved: &self.proved,
            last_row: &self.last_row,
            held: player.held(),
            signals: None,
            state: &player.state().save(),
        };
        let equal = Equal { stand, trades, beside: &self.beside, floor: self.floor };
        Proven::new(given, &self.revisions, &mut self.stored, &equal).unwrap_or_else(|error| {
            tracing::warn!("the next proof replays every row: {error}");
            None
        })
    }
}

/// The slots that were hindered from outside. An absent bar is not among them: the bars show that themselves.
fn degraded(piece: &LedgerPiece) -> BTreeMap<i64, Degraded> {
    let cause =
        |row: &DecisionRow| row.decided.degraded.map(|cause| (row.decided.ts.ts_ms(), cause));
    let all = piece.rows.iter().filter_map(cause);
    all.filter(|(_, cause)| *cause != Degraded::BarMissing).collect()
}
