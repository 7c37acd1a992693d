//! Two ledgers on disk read side by side and compared, whatever their length.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::compare::{Comparer, ComparisonRules, LedgerComparison, Spans};
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::SlotTs,
    },
    session::{
        origin::LedgerOrigin,
        reader::{Extent, Files, LedgerPiece, RecordReader, RowFinder, TradeRow},
        record::{End, begins, ends},
    },
    store::{disk::Disk, error::StoreError, layout::Layout, rows::signals::Timing},
};

/// Rows read at once of each side.
const ROWS_AT_ONCE: usize = 4_096;

/// What was found by reading LIVE and comparing it.
#[derive(Debug)]
pub struct Compared {
    pub found: LedgerComparison,
    /// LIVE's rows that were hindered from outside, by reason.
    pub degraded: BTreeMap<String, usize>,
    /// Slots at which another run of LIVE took over.
    pub restarts: BTreeSet<i64>,
}

/// What LIVE's files say beside the rows that are compared.
#[derive(Debug, Default)]
pub struct Beside {
    /// Rows that were hindered from outside, by reason.
    pub degraded: BTreeMap<String, usize>,
    /// Slots at which another run took over.
    pub restarts: BTreeSet<i64>,
    /// The run that decided the last row.
    pub last_run: Option<RunId>,
}

impl Beside {
    /// Takes in the next piece.
    pub fn add(&mut self, piece: &LedgerPiece) {
        for cause in piece.rows.iter().filter_map(|row| row.decided.degraded) {
            *self.degraded.entry(cause.reason().name().to_owned()).or_insert(0) += 1;
        }
        for Timing { ts, run_id, .. } in &piece.timing {
            if self.last_run.as_ref().is_some_and(|last| last != run_id) {
                self.restarts.insert(ts.ts_ms());
            }
            if self.last_run.as_ref() != Some(run_id) {
                self.last_run = Some(run_id.clone());
            }
        }
    }

    /// With what came of the comparison.
    pub fn with(self, found: LedgerComparison) -> Compared {
        let Self { degraded, restarts, last_run: _ } = self;
        Compared { found, degraded, restarts }
    }
}

/// First and last slot of a ledger.
fn span<D: Disk>(
    disk: &D,
    files: &Files,
    series: &Series,
    extent: Extent,
) -> Result<(i64, i64), StoreError> {
    let finder = RowFinder::new(disk, files, series, extent)?;
    // Two ledgers, one of which has no row, have no slot in common.
    Ok(finder.map_or((i64::MAX, i64::MIN), |rows| (rows.first.ts_ms(), rows.last.ts_ms())))
}

/// Whose ledger LIVE's is, and how it began.
pub type Cover<'a> = (&'a LedgerOrigin, (&'a Layout, &'a Tag, &'a Series));

/// Compares the first bytes of LIVE's files with those of a backtest's. With `cover` rows that were taken away from LIVE are an error.
pub fn compare_files<D: Disk>(
    disk: &D,
    series: &Series,
    [live, backtest]: [(&Files, Extent); 2],
    terms: ComparisonRules,
    cover: Option<Cover<'_>>,
) -> Result<Compared, StoreError> {
    let spans = Spans {
        live: span(disk, live.0, series, live.1)?,
        backtest: span(disk, backtest.0, series, backtest.1)?,
    };
    let mut comparer = Comparer::new(spans, terms);
    let mut live = Side::new(disk, series, live)?;
    let mut backtest = Side::new(disk, series, backtest)?;
    let first = spans.live.0.max(spans.backtest.0);
    while live.fill()? && backtest.fill()? {
        let (Some(l), Some(b)) = (live.row(), backtest.row()) else { break };
        if l.0 < first {
            live.at += 1;
        } else if b.0 < first {
            backtest.at += 1;
        } else {
            comparer.rows(l.0, l.1, b.1);
            let ts_ms = l.0;
            live.at += 1;
            backtest.at += 1;
            if live.is_spent() || backtest.is_spent() {
                pair_trades(&mut comparer, ts_ms, &mut live, &mut backtest);
            }
        }
    }
    // What is left is checked to its end.
    while live.fill()? {
        live.at = live.rows();
    }
    while backtest.fill()? {
        backtest.at = backtest.rows();
    }
    pair_trades(&mut comparer, i64::MAX, &mut live, &mut backtest);
    if let Some((origin, files)) = cover {
        ends(&End::of(&mut live.reader)?, files)?;
        if let Some(first) = live.first {
            begins(first, live.first_timed, Some(origin), files)?;
        }
    }
    Ok(live.beside.with(comparer.finish()))
}

fn pair_trades<'d, D: Disk>(
    comparer: &mut Comparer,
    to_ms: i64,
    live: &mut Side<'d, D>,
    backtest: &mut Side<'d, D>,
) {
    let [l, b] = [live, backtest].map(|side| {
        let many = side.trades.partition_point(|trade| trade.ts.ts_ms() <= to_ms);
        side.trades.drain(..many).collect::<Vec<_>>()
    });
    comparer.trades(
        l.iter().map(|trade| (trade.ts.ts_ms(), trade.text.as_str())),
        b.iter().map(|trade| (trade.ts.ts_ms(), trade.text.as_str())),
    );
}

/// One side, read as far as it is compared.
struct Side<'d, D: Disk> {
    reader: RecordReader<'d, D>,
    piece: Option<LedgerPiece>,
    at: usize,
    trades: VecDeque<TradeRow>,
    beside: Beside,
    first: Option<SlotTs>,
    first_timed: Option<i64>,
}

impl<'d, D: Disk> Side<'d, D> {
    fn new(
        disk: &'d D,
        series: &Series,
        (files, extent): (&Files, Extent),
    ) -> Result<Self, StoreError> {
        let reader = RecordReader::new(disk, files, series, extent, ROWS_AT_ONCE)?;
        let (trades, beside) = (VecDeque::new(), Beside::default());
        let (first, first_timed) = (None, None);
        Ok(Self { reader, piece: None, at: 0, trades, beside, first, first_timed })
    }

    fn rows(&self) -> usize {
        self.piece.as_ref().map_or(0, |piece| piece.rows.len())
    }

    fn is_spent(&self) -> bool {
        self.at >= self.rows()
    }

    /// Reads on where all rows are used; false behind the last one.
    fn fill(&mut self) -> Result<bool, StoreError> {
        if self.is_spent() {
            self.piece = self.reader.next()?;
            self.at = 0;
            if let Some(piece) = &mut self.piece {
                if self.first.is_none() {
                    self.first = Some(piece.window().first());
                    self.first_timed = piece.timing.first().map(|timing| timing.ts.ts_ms());
                }
                self.beside.add(piece);
                self.trades.extend(piece.trades.drain(..));
            }
        }
        Ok(self.piece.is_some())
    }

    fn row(&self) -> Option<(i64, &str)> {
        let piece = self.piece.as_ref()?;
        let row = piece.rows.get(self.at)?;
        Some((row.decided.ts.ts_ms(), piece.text(row)))
    }
}
