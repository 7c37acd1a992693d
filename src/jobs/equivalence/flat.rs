//! The replay of LIVE's window, made piece by piece as LIVE's ledger is read: written, and compared, on the bars LIVE saw; and
//! compared on today's bars, where those differ.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    both::{Beside, Compared},
    compare::{Comparer, Comparison, Spans, Terms},
    prove::Digests,
    proven::{Equal, Proven, copy},
};
use crate::{
    domain::{
        bar::TimedBar,
        command::Command,
        decision::Degraded,
        time::{SlotTs, Window},
    },
    engine::{signals::Signals, step::Core},
    session::{
        as_seen::{SeenRows, warm_up_bars},
        card::{Card, Origin},
        checkpoint::{Proved, Stand},
        error::SessionError,
        fold::{self, next_seen},
        live::Place,
        reader::{DecisionRow, Extent, Files, Piece, RecordReader},
        record::{End, begins, birth, ends, stored_bars},
        render::{Rows, format},
        replay::Player,
    },
    store::{
        disk::Disk,
        error::StoreError,
        raw::{RawStore, Revision},
        rows::encode::SeriesPrefix,
    },
};

/// Rows replayed at once: enough to keep every core busy, little to keep in memory.
const ROWS_AT_ONCE: usize = 16_384;

/// What a replay is made of.
pub struct Given<'a, 'd, D: Disk> {
    /// LIVE's ledger.
    pub place: &'a Place<'d, D>,
    /// How much of it.
    pub extent: Extent,
    /// First and last row.
    pub window: Window,
    /// How it began.
    pub origin: &'a Origin,
    /// The commands of the tag.
    pub commands: &'a [Command],
    /// What LIVE used of its signals.
    pub signals: &'a Signals,
    /// Strategy and rules of the backtest.
    pub core: &'a Core,
    /// The same as text.
    pub card: &'a Card,
    /// This build.
    pub build: &'a str,
    /// Whether stops fill by the same rule on both sides.
    pub terms: Terms,
}

/// What came of it.
pub struct Replayed {
    /// On the bars LIVE saw.
    pub seen: Compared,
    /// On today's bars; `None` where they are the same.
    pub today: Option<Comparison>,
    /// Slots whose bars were revised, filled in, or cannot be found as seen.
    pub revised: BTreeSet<i64>,
    /// The oldest bar that was used.
    pub floor: SlotTs,
    /// Rows that an earlier proof replayed, and that were not replayed again.
    pub known: u64,
    /// Digests of what was read and of what was delivered.
    pub digests: Digests,
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
        piece: &Piece,
        degraded: &BTreeMap<i64, Degraded>,
        prefix: &SeriesPrefix,
        place: &Place<'_, impl Disk>,
    ) -> Rows {
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
struct Course<'a> {
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
    known: u64,
}

/// Plays LIVE's window and delivers the rows made on the bars LIVE saw. What an earlier proof found equal, and what is still the same,
/// is not played again.
pub fn replay_live<D: Disk>(
    given: &Given<'_, '_, D>,
    deliver: &mut dyn FnMut(&Rows) -> Result<(), StoreError>,
) -> Result<Replayed, SessionError> {
    let Place { disk, layout, tag, series } = given.place;
    let files = (*layout, tag, series);
    let raw = RawStore::new(layout, *disk, series);
    let revisions = raw.revisions()?;
    let proven = Proven::find(given, &revisions).unwrap_or_else(|why| {
        tracing::info!("every row is replayed, since {why}");
        None
    });
    let mut course =
        match proven.and_then(|proven| Course::behind(given, (&raw, &revisions), &proven)) {
            Some(course) => {
                // The same bytes have the same digest.
                copy(given, &course.proved, deliver)?;
                course
            }
            None => Course::fresh(given, &raw, &revisions)?,
        };
    let paths = Files::of(layout, tag, series);
    let behind = (&course.proved.mark, ROWS_AT_ONCE);
    let mut reader = RecordReader::behind(*disk, &paths, series, given.extent, behind)?;
    let Proved { mut decisions, mut trades, .. } = course.proved.clone();
    while let Some(piece) = reader.next()? {
        if piece.window().first() == given.window.first() {
            let timed = piece.timing.first().map(|timing| timing.ts.ts_ms());
            begins(piece.window().first(), timed, Some(given.origin), files)?;
        }
        let rows = course.play(given, &raw, &revisions, &piece)?;
        rows.decisions.iter().for_each(|part| decisions.add(part));
        trades.add(&rows.trades);
        deliver(&rows)?;
    }
    ends(&End::of(&mut reader)?, files)?;
    course.leave(given, &revisions);
    let Course { seen, today, beside, proved, unresolved, floor, known, .. } = course;
    // Trades behind the last row are not read.
    let all_trades = proved.mark.trades.bytes == given.extent.trades;
    let live = [Some(proved.decisions.digest()), all_trades.then(|| proved.trades.digest())];
    let digests = [live, [decisions, trades].map(|running| Some(running.digest()))];
    let logged = revisions.iter().map(|revision| revision.ts);
    let logged = logged.filter(|ts| *ts <= given.window.last());
    Ok(Replayed {
        seen: beside.with(seen.comparer.finish()),
        today: today.map(|side| side.comparer.finish()),
        revised: logged.chain(unresolved).map(SlotTs::ts_ms).collect(),
        floor,
        known,
        digests,
    })
}

impl<'a> Course<'a> {
    fn spans<D: Disk>(given: &Given<'_, '_, D>) -> Spans {
        let span = (given.window.first().ts_ms(), given.window.last().ts_ms());
        Spans { live: span, backtest: span }
    }

    /// Before the first row.
    fn fresh<D: Disk>(
        given: &Given<'a, '_, D>,
        raw: &RawStore<'_, D>,
        revisions: &[Revision],
    ) -> Result<Self, SessionError> {
        let first = given.window.first();
        let birth = birth(given.origin, raw.series())?;
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
        })
    }

    /// Behind what an earlier proof found equal; `None` where that cannot be gone on from.
    fn behind<D: Disk>(
        given: &Given<'a, '_, D>,
        store: (&RawStore<'_, D>, &[Revision]),
        proven: &Proven,
    ) -> Option<Self> {
        let timeframe = given.window.first().timeframe();
        let checkpoint = &proven.checkpoint;
        let proved = checkpoint.proved(timeframe)?;
        let (held, last) = (checkpoint.held(timeframe)?, proved.mark.after?);
        let state = checkpoint.restore(given.core, timeframe)?;
        let fold = fold::Given {
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
        })
    }

    /// Plays one piece on both views of its bars, and returns the rows on those LIVE saw.
    fn play<D: Disk>(
        &mut self,
        given: &Given<'_, '_, D>,
        raw: &RawStore<'_, D>,
        revisions: &[Revision],
        piece: &Piece,
    ) -> Result<Rows, SessionError> {
        let (from, to) = (piece.window().first(), piece.window().last());
        let (mut stored, found) = next_seen(&mut self.held, raw, revisions, piece)?;
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

    /// Leaves what is equal to the byte, on bars that are today what they were, for the next proof.
    fn leave<D: Disk>(&self, given: &Given<'_, '_, D>, revisions: &[Revision]) {
        let is_plain =
            self.today.is_none() && self.unresolved.is_empty() && given.terms.same_policy;
        let is_plain = is_plain && given.signals.is_empty();
        let Some(trades) = self.seen.comparer.identical_trades().filter(|_| is_plain) else {
            return;
        };
        let player = &self.seen.player;
        let stand = Stand {
            proved: &self.proved,
            last_row: &self.last_row,
            held: player.held(),
            signals: None,
            state: &player.state().save(),
        };
        let equal = Equal { stand, trades, beside: &self.beside, floor: self.floor };
        if let Err(error) = Proven::leave(given, revisions, &equal) {
            tracing::warn!("the next proof replays every row: {error}");
        }
    }
}

/// The slots that were hindered from outside. An absent bar is not among them: the bars show that themselves.
fn degraded(piece: &Piece) -> BTreeMap<i64, Degraded> {
    let cause =
        |row: &DecisionRow| row.decided.degraded.map(|cause| (row.decided.ts.ts_ms(), cause));
    let all = piece.rows.iter().filter_map(cause);
    all.filter(|(_, cause)| *cause != Degraded::BarMissing).collect()
}
