//! A ledger read row by row into everything its report says.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    figures::{Basis, FigureValues},
    findings::{Finding, findings},
    header::{Header, ProofState},
    pyramid::{Pyramid, PyramidPoint, thinned},
    trade::{Fills, Tracker, Trade},
};
use crate::{
    domain::{
        bar::Bar,
        decision::{CloseReason, RiskState, Side, TradeEvent},
        time::{DAY_MS, SlotTs, UtcMs},
    },
    engine::metrics::{
        confidence::{Confidence, rolling_sharpe},
        curve::{CurveWalk, DayReturn, Drawdown, Drawdowns, Point, Start},
        trades::TradeStats,
    },
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.report/1";
/// Drawdowns that are listed.
const DRAWDOWNS_MAX: usize = 5;
/// Days of a rolling Sharpe ratio.
pub const ROLLING_DAYS: usize = 60;
/// Trades whose entry and exit are marked in the picture of the price: more would hide it.
const MARKED_MAX: usize = 300;
/// Trades whose excursions are listed.
const DEEPEST_MAX: usize = 40;
/// Trades whose excursions are drawn.
const DOTS_MAX: usize = 2_000;
/// Trades that are listed one by one.
pub const TRADES_SHOWN_MAX: usize = 1_000;

/// One decision row, as far as a report reads it.
#[derive(Debug, Clone, Copy)]
pub struct ReportRow<'a> {
    /// The slot.
    pub ts: SlotTs,
    /// Why it was skipped, where it was.
    pub skipped: Option<&'a str>,
    /// Who vetoed it; empty when it was not vetoed.
    pub blocked_by: &'a str,
    /// Position after the slot.
    pub position: Option<Side>,
    /// Close of the bar.
    pub close: Option<f64>,
    /// Stop after the slot.
    pub stop: Option<f64>,
    /// Equity at the close.
    pub equity: f64,
    /// Risk state after the slot.
    pub risk: RiskState,
}

/// How often something was, and what it came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// What they share.
    pub name: String,
    /// Closed trades.
    pub trades: u64,
    /// Of these, winning.
    pub wins: u64,
    /// Their results, in quote currency.
    pub pnl: f64,
}

/// The return of one calendar month, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Month {
    /// The year.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// A fraction of the equity at its beginning.
    pub part: f64,
}

/// A fall from a peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fall {
    /// Part of the peak that was lost.
    pub depth: f64,
    /// When the peak was, milliseconds UTC.
    pub peak_ts_ms: i64,
    /// When it was deepest.
    pub trough_ts_ms: i64,
    /// When the peak was reached again; absent if it was not.
    pub recovered_ts_ms: Option<i64>,
}

impl From<Drawdown> for Fall {
    fn from(fall: Drawdown) -> Self {
        let Drawdown { depth, peak_ts_ms, trough_ts_ms, recovered_ts_ms } = fall;
        Self { depth, peak_ts_ms, trough_ts_ms, recovered_ts_ms }
    }
}

/// What the ledger covers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Period {
    /// First slot, milliseconds UTC; 0 without rows.
    pub first_ts_ms: i64,
    /// Last slot.
    pub last_ts_ms: i64,
    /// Slots.
    pub slots: u64,
    /// From the open of the first slot to the close of the last one, in days.
    pub days: f64,
    /// Slots with a bar.
    pub with_bar: u64,
    /// Slots at which the rules were asked.
    pub decided: u64,
    /// Other slots, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Entries that were vetoed, by what vetoed them.
    pub blocked: BTreeMap<String, u64>,
    /// Slots in a position whose bar is not in the store any more: the close stands in for its high and low.
    pub bars_lacking: u64,
    /// Equity at the start.
    pub start_equity: f64,
    /// Equity at the end.
    pub end_equity: f64,
    /// Side and slot of a position that is still open.
    pub open: Option<(&'static str, i64)>,
    /// Risk state at the end, where that is not ACTIVE, and since when.
    pub risk: Option<(&'static str, i64)>,
    /// The longest time without a position: from, to.
    pub idle_ts_ms: Option<(i64, i64)>,
}

/// Stops that filled beyond their level, and bars in which stop and target both lay.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Doubt {
    /// Trades closed at a stop.
    pub stops: u64,
    /// Of these, at an open beyond it.
    pub gaps: u64,
    /// How far beyond, on average, as a part of the stop; absent without gaps.
    pub beyond_mean: Option<f64>,
    /// The furthest.
    pub beyond_max: Option<f64>,
    /// Trades with stop and target inside one bar.
    pub ambiguous: u64,
    /// What they were booked with: the stop came first.
    pub ambiguous_pnl: f64,
    /// What they come to at most, had every target come first.
    pub ambiguous_pnl_most: f64,
}

/// Lines of the pictures, each with at most 4,000 points.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Curves {
    /// Equity at the closes.
    pub equity: Vec<PyramidPoint>,
    /// What holding would have come to.
    pub holding: Vec<PyramidPoint>,
    /// Equity below its peak, zero or less, as a part of it.
    pub under_water: Vec<PyramidPoint>,
    /// Closes.
    pub price: Vec<PyramidPoint>,
    /// Sharpe ratio of the last 60 days.
    pub rolling_sharpe: Vec<PyramidPoint>,
    /// Result of each trade by its number, from 1.
    pub trade_pnl: Vec<PyramidPoint>,
    /// Of trades evenly picked: furthest against the position, furthest in its favour, result.
    pub excursions: Vec<(f64, f64, f64)>,
}

/// Everything: `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name and version of the document.
    pub schema: &'static str,
    /// Which ledger.
    pub about: Header,
    /// What proves it.
    pub proof: ProofState,
    /// What is worth a sentence.
    pub findings: Vec<Finding>,
    /// What it covers.
    pub period: Period,
    /// Key figures; null where there is no value.
    pub figures: BTreeMap<&'static str, Option<f64>>,
    /// Why there is none.
    pub missing: BTreeMap<&'static str, String>,
    /// The five deepest, deepest first.
    pub drawdowns: Vec<Fall>,
    /// Oldest first.
    pub months: Vec<Month>,
    /// Trades by entry rule.
    pub by_rule: Vec<Group>,
    /// Trades by reason of their exit.
    pub by_exit: Vec<Group>,
    /// Trades by hour of their entry, UTC.
    pub by_hour: Vec<Group>,
    /// Trades by weekday of their entry, UTC.
    pub by_weekday: Vec<Group>,
    /// Gaps and ambiguous bars.
    pub doubt: Doubt,
    /// Lines.
    pub curves: Curves,
    /// The newest trades, at most 1,000, oldest first.
    pub trades: Vec<Trade>,
    /// The trades that won or lost most, as many as a picture of the price can show.
    #[serde(skip)]
    pub marked: Vec<Trade>,
    /// The trades that went furthest against their position.
    #[serde(skip)]
    pub deepest: Vec<Trade>,
}

/// A report under way.
pub struct Gather {
    fills: Fills,
    cash: Option<f64>,
    begun: Option<RunningFigures>,
    period: Period,
    price: Pyramid,
    tracker: Tracker,
    events: Vec<TradeEvent>,
}

/// What needs the first row.
struct RunningFigures {
    start: Start,
    walk: CurveWalk,
    falls: Drawdowns,
    equity: Pyramid,
    under_water: Pyramid,
    holding: Pyramid,
    closes: Option<(f64, f64)>,
}

impl RunningFigures {
    fn at(start: Start) -> Self {
        let mut begun = Self {
            start,
            walk: CurveWalk::new(start),
            falls: Drawdowns::new(start, DRAWDOWNS_MAX),
            equity: Pyramid::default(),
            under_water: Pyramid::default(),
            holding: Pyramid::default(),
            closes: None,
        };
        begun.equity.take(start.ts_ms, start.equity);
        begun.under_water.take(start.ts_ms, 0.0);
        begun
    }
}

impl Gather {
    /// Before the first row. `cash` is the equity at the start, where that is known.
    pub fn new(fills: Fills, cash: Option<f64>) -> Self {
        Self {
            fills,
            cash: cash.filter(|cash| *cash > 0.0),
            begun: None,
            period: Period::default(),
            price: Pyramid::default(),
            tracker: Tracker::new(fills),
            events: Vec::new(),
        }
    }

    /// The next row, its bar as it is stored, and what happened in it.
    pub fn take(&mut self, row: &ReportRow<'_>, bar: Option<Bar>, events: &[TradeEvent]) {
        let (ts_ms, cash) = (row.ts.ts_ms(), self.cash);
        let begun = self.begun.get_or_insert_with(|| {
            RunningFigures::at(Start {
                ts_ms: row.ts.open_ms(),
                equity: cash.unwrap_or(row.equity),
            })
        });
        let point = Point { ts_ms, equity: row.equity, in_position: row.position.is_some() };
        begun.walk.take(point);
        begun.equity.take(ts_ms, row.equity);
        // Minus zero would be shown with a sign.
        begun.under_water.take(ts_ms, 0.0 - begun.falls.take(ts_ms, row.equity));
        if let Some(close) = row.close {
            self.price.take(ts_ms, close);
            let first = begun.closes.map_or(close, |(first, _)| first);
            begun.closes = Some((first, close));
            begun.holding.take(ts_ms, begun.start.equity * close / first);
        }
        self.count(row);
        let bar = bar.or_else(|| {
            let close = row.close?;
            self.period.bars_lacking += u64::from(row.position.is_some() || !events.is_empty());
            Bar::new([close, close, close, close, 0.0]).ok()
        });
        self.tracker.take(row.ts, bar, row.stop, events);
        self.events.extend_from_slice(events);
    }

    fn count(&mut self, row: &ReportRow<'_>) {
        let (period, ts_ms) = (&mut self.period, row.ts.ts_ms());
        if period.slots == 0 {
            period.first_ts_ms = ts_ms;
        }
        period.last_ts_ms = ts_ms;
        period.slots += 1;
        period.with_bar += u64::from(row.close.is_some());
        match row.skipped {
            Some(reason) => *period.skipped.entry(reason.to_owned()).or_default() += 1,
            None => period.decided += 1,
        }
        // What blocks entries is named at skipped slots too, at which none was tried.
        if !row.blocked_by.is_empty() && row.skipped.is_none() {
            *period.blocked.entry(row.blocked_by.to_owned()).or_default() += 1;
        }
        period.risk = match row.risk {
            RiskState::Active => None,
            state => period
                .risk
                .filter(|(held, _)| *held == state.name())
                .or(Some((state.name(), ts_ms))),
        };
        period.end_equity = row.equity;
    }

    /// All of it.
    pub fn finish(self, about: Header, proof: ProofState) -> Report {
        let Self { fills, cash, begun, mut period, price, tracker, events } = self;
        let start = Start { ts_ms: 0, equity: cash.unwrap_or(1.0) };
        let begun = begun.unwrap_or_else(|| RunningFigures::at(start));
        let open = tracker.held().map(|open| (open.side.name(), open.ts.ts_ms()));
        let trades = tracker.finish();
        let (stats_of_curve, daily) = begun.walk.finish();
        period.days = stats_of_curve.days;
        period.start_equity = begun.start.equity;
        period.open = open;
        if period.slots > 0 {
            period.idle_ts_ms = idle(begun.start.ts_ms, period.last_ts_ms, &trades, open);
        }
        let stats = TradeStats::of(&events, risk_of(&trades));
        let values = FigureValues::of(&Basis {
            curve: &stats_of_curve,
            stats: &stats,
            confidence: Confidence::of(&daily),
            holding_return: begun.closes.map(|(first, last)| last / first - 1.0),
            trades: &trades,
        });
        let rolling = rolling_sharpe(&daily, ROLLING_DAYS);
        let rolling = rolling.into_iter().filter_map(|(ts_ms, value)| Some((ts_ms, value?)));
        let curves = Curves {
            equity: begun.equity.points(),
            holding: begun.holding.points(),
            under_water: begun.under_water.points(),
            price: price.points(),
            rolling_sharpe: thinned(rolling),
            trade_pnl: thinned((1..).zip(trades.iter().map(|trade| trade.pnl))),
            excursions: trades
                .iter()
                .step_by(trades.len().div_ceil(DOTS_MAX).max(1))
                .map(|trade| (trade.mae, trade.mfe, trade.pnl))
                .collect(),
        };
        let drawdowns = begun.falls.finish().into_iter().map(Fall::from).collect();
        let mut report = Report {
            schema: SCHEMA,
            about,
            proof,
            findings: Vec::new(),
            period,
            figures: values.figures.clone(),
            missing: values.missing.clone(),
            drawdowns,
            months: months(&daily),
            by_rule: by_size(&trades, |trade| trade.rule.clone()),
            by_exit: by_exit(&trades),
            by_hour: by_hour(&trades, fills, bar_ms(&events)),
            by_weekday: by_weekday(&trades, fills, bar_ms(&events)),
            doubt: doubt(&trades),
            curves,
            trades: Vec::new(),
            marked: first_by(&trades, MARKED_MAX, |trade| -trade.pnl.abs()),
            deepest: first_by(&trades, DEEPEST_MAX, |trade| trade.mae),
        };
        report.findings = findings(&report, &trades);
        let shown = trades.len().saturating_sub(TRADES_SHOWN_MAX);
        report.trades = trades;
        report.trades.drain(..shown);
        report
    }
}

/// The first trades in the order of a number.
fn first_by(trades: &[Trade], most: usize, number: impl Fn(&Trade) -> f64) -> Vec<Trade> {
    let mut ordered: Vec<&Trade> = trades.iter().collect();
    ordered.sort_by(|a, b| number(a).total_cmp(&number(b)));
    ordered.into_iter().take(most).cloned().collect()
}

/// What each trade could lose at its first stop, by its entry slot.
fn risk_of(
    trades: &[Trade],
) -> impl Fn(&crate::engine::metrics::trades::RoundTrip) -> Option<f64> + use<> {
    let known: BTreeMap<(i64, &'static str), f64> = trades
        .iter()
        .filter_map(|trade| Some(((trade.entry_ts_ms, trade.side), trade.risk()?)))
        .collect();
    move |trip| known.get(&(trip.entry.ts_ms(), trip.side.name())).copied()
}

/// Milliseconds of a bar; 0 without trades.
fn bar_ms(events: &[TradeEvent]) -> i64 {
    events.first().map_or(0, |event| event.ts.timeframe().ms())
}

/// The longest time in which there was no position.
fn idle(
    from: i64,
    to: i64,
    trades: &[Trade],
    open: Option<(&'static str, i64)>,
) -> Option<(i64, i64)> {
    let mut longest: Option<(i64, i64)> = None;
    let mut free_from = from;
    let entries = trades.iter().map(|trade| (trade.entry_ts_ms, trade.exit_ts_ms));
    let last = open.map_or((to, to), |(_, since)| (since, to));
    for (entry, exit) in entries.chain([last]) {
        if longest.is_none_or(|(a, b)| entry - free_from > b - a) {
            longest = Some((free_from, entry));
        }
        free_from = exit;
    }
    longest.filter(|(a, b)| b > a)
}

fn months(daily: &[DayReturn]) -> Vec<Month> {
    let mut months: Vec<Month> = Vec::new();
    for day in daily {
        // A day that ends at midnight belongs to the day before.
        let Ok(at) = UtcMs::new(day.end_ms - 1) else { continue };
        let text = at.format("%Y %m");
        let Some((Ok(year), Ok(month))) =
            text.split_once(' ').map(|(year, month)| (year.parse(), month.parse()))
        else {
            continue;
        };
        match months.last_mut().filter(|last| (last.year, last.month) == (year, month)) {
            Some(last) => last.part = (1.0 + last.part) * (1.0 + day.part) - 1.0,
            None => months.push(Month { year, month, part: day.part }),
        }
    }
    months
}

fn add(group: &mut Group, trade: &Trade) {
    group.trades += 1;
    group.wins += u64::from(trade.pnl > 0.0);
    group.pnl += trade.pnl;
}

fn empty(name: String) -> Group {
    Group { name, trades: 0, wins: 0, pnl: 0.0 }
}

/// Groups that occur, those with most trades first.
fn by_size(trades: &[Trade], name: impl Fn(&Trade) -> String) -> Vec<Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for trade in trades {
        let name = name(trade);
        add(groups.entry(name.clone()).or_insert_with(|| empty(name)), trade);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.trades));
    groups
}

fn by_exit(trades: &[Trade]) -> Vec<Group> {
    let all = CloseReason::ALL.map(|reason| empty(reason.name().to_owned()));
    let groups = counted(all.to_vec(), trades, |trade, groups| {
        groups.iter().position(|group| group.name == trade.exit)
    });
    groups.into_iter().filter(|group| group.trades > 0).collect()
}

fn by_hour(trades: &[Trade], fills: Fills, bar_ms: i64) -> Vec<Group> {
    let all = (0..24).map(|hour| empty(format!("{hour:02}"))).collect();
    counted(all, trades, |trade, _| {
        Some((filled_ms(trade, fills, bar_ms).rem_euclid(DAY_MS) / 3_600_000) as usize)
    })
}

fn by_weekday(trades: &[Trade], fills: Fills, bar_ms: i64) -> Vec<Group> {
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let all = names.map(|name| empty(name.to_owned())).to_vec();
    // The epoch was a Thursday.
    counted(all, trades, |trade, _| {
        Some((filled_ms(trade, fills, bar_ms).div_euclid(DAY_MS) + 3).rem_euclid(7) as usize)
    })
}

/// When the entry was filled.
fn filled_ms(trade: &Trade, fills: Fills, bar_ms: i64) -> i64 {
    match fills {
        Fills::AtOpen => trade.entry_ts_ms - bar_ms,
        Fills::AtClose => trade.entry_ts_ms,
    }
}

fn counted(
    mut groups: Vec<Group>,
    trades: &[Trade],
    place: impl Fn(&Trade, &[Group]) -> Option<usize>,
) -> Vec<Group> {
    for trade in trades {
        if let Some(at) = place(trade, &groups) {
            add(&mut groups[at], trade);
        }
    }
    groups
}

fn doubt(trades: &[Trade]) -> Doubt {
    let is = |reason: CloseReason| move |trade: &&Trade| trade.exit == reason.name();
    let gaps: Vec<&Trade> = trades.iter().filter(is(CloseReason::StopGap)).collect();
    let beyond: Vec<f64> = gaps.iter().filter_map(|trade| trade.beyond).collect();
    let ambiguous = || trades.iter().filter(|trade| trade.is_ambiguous());
    Doubt {
        stops: (trades.iter().filter(is(CloseReason::StopHit)).count() + gaps.len()) as u64,
        gaps: gaps.len() as u64,
        beyond_mean: (!beyond.is_empty()).then(|| beyond.iter().sum::<f64>() / beyond.len() as f64),
        beyond_max: beyond.iter().copied().reduce(f64::max),
        ambiguous: ambiguous().count() as u64,
        // Folded, not summed: the sum of nothing is a negative zero.
        ambiguous_pnl: ambiguous().fold(0.0, |sum, trade| sum + trade.pnl),
        ambiguous_pnl_most: ambiguous()
            .fold(0.0, |sum, trade| sum + trade.pnl_most.unwrap_or(trade.pnl)),
    }
}
