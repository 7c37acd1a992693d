//! One trial: the same step as live and backtest, slot by slot, without rows and without hashes. Trials are played side by side, so
//! that bars and features are worked out once for all of them.

use std::collections::BTreeMap;

use super::sums::{DayBlocks, DaySums};
use crate::{
    domain::{
        bar::{Bar, TimedBar},
        decimal::float,
        decision::{Block, CloseReason, Event, Limit, RiskState, TradeEvent},
        money::Money,
        time::{DAY_MS, SlotTs, Window},
    },
    engine::{
        anchor::{Blocks, FeatureRow, Readiness},
        rules::Rules,
        signals::Signals,
        slot::SlotMaker,
        state::State,
        step::Core,
        still::Still,
    },
    language::{Instance, Together},
};

/// What is played: bars, sorted and unique, with as many before the window as features reach back, and the window, which has whole
/// UTC days.
#[derive(Debug, Clone, Copy)]
pub struct Tape<'a> {
    /// The bars.
    pub bars: &'a [TimedBar],
    /// The slots to decide.
    pub window: Window,
    /// How its days are cut.
    pub cut: DayBlocks,
    /// Whether equities per day and trades are kept: of a few trials, never of a search.
    pub keeps: bool,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayedTrial {
    /// Its days, folded.
    pub sums: DaySums,
    /// Closed trades.
    pub trades: u32,
    /// Of these, trades that the end of the window cut.
    pub cut_trades: u32,
    /// Results of winning trades added up, in quote currency.
    pub gains: Money,
    /// Results of losing trades added up, without their sign.
    pub losses: Money,
    /// Equity at the end less cash at the start, in quote currency.
    pub net: f64,
    /// Equity at the end by cash at the start.
    pub growth: f64,
    /// The deepest fall from a peak of the equity after each slot, as a part of the peak.
    pub drawdown: f64,
    /// Entries that were vetoed, by what vetoed them.
    pub vetoes: BTreeMap<Block, u32>,
    /// Slots at which a latched limit was in force.
    pub halted_slots: u32,
    /// Trades with stop and target inside one bar.
    pub ambiguous: u32,
    /// Whether all of the money was lost.
    pub is_ruined: bool,
    /// The state after the last slot.
    pub state: State,
    /// Equity at the end of each day, where that is kept.
    pub days: Vec<f64>,
    /// The events of all trades, where they are kept.
    pub events: Vec<TradeEvent>,
}

/// What trials are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// Mean by sample standard deviation of daily returns.
    Sharpe,
    /// Mean of daily returns by the root mean square of losing days.
    Sortino,
    /// Yearly growth by the deepest drawdown.
    Calmar,
    /// Results of winning trades by those of losing ones.
    ProfitFactor,
    /// Money at the end less money at the start.
    Net,
}

/// Below so many days a score means nothing.
pub const SCORE_DAYS_MIN: u32 = 30;

/// Days of a year.
const YEAR_DAYS: f64 = 365.0;

impl PlayedTrial {
    /// Its score; `None` where it has no meaning, and of a trial that lost everything.
    pub fn score(&self, by: Score) -> Option<f64> {
        if self.is_ruined || self.sums.days < SCORE_DAYS_MIN {
            return None;
        }
        let score = match by {
            Score::Sharpe => self.sums.sample()?.sharpe,
            Score::Sortino => self.sums.sortino()?,
            Score::Calmar => {
                let years = f64::from(self.sums.days) / YEAR_DAYS;
                let yearly = libm::pow(self.growth, 1.0 / years) - 1.0;
                (self.drawdown > 0.0).then(|| yearly / self.drawdown)?
            }
            Score::ProfitFactor => {
                (self.losses > Money::ZERO).then(|| self.gains.float() / self.losses.float())?
            }
            Score::Net => self.net,
        };
        score.is_finite().then_some(score)
    }
}

/// Which trials can be played side by side: those whose features have the same anchors. Groups of their places.
pub fn groups(all: impl IntoIterator<Item = Blocks>) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (place, blocks) in all.into_iter().enumerate() {
        groups.entry(blocks.block_ms()).or_default().push(place);
    }
    groups.into_values().collect()
}

/// Plays trials side by side; they are of one group. `None` when it was asked to stop before the end.
pub fn play(
    cores: &[&Core],
    tape: Tape<'_>,
    signals: &[Signals],
    stops: &dyn Fn() -> bool,
) -> Option<Vec<PlayedTrial>> {
    let Tape { bars, window, .. } = tape;
    let timeframe = window.first().timeframe();
    let Some(first) = cores.first() else { return Some(Vec::new()) };
    let blocks = first.blocks(timeframe);
    assert!(
        cores.iter().all(|core| core.blocks(timeframe).block_ms() == blocks.block_ms()),
        "trials of one group"
    );
    let together = Together::new(cores.iter().map(|core| core.strategy.features()));
    let mut lanes: Vec<Lane<'_>> = cores
        .iter()
        .enumerate()
        .map(|(place, core)| Lane::new(core, together.columns(place), &tape, &signals[place]))
        .collect();
    let start_of = |block: i64| bars.partition_point(|bar| blocks.of(bar.ts) < block);
    let mut seen = Columns::default();
    let mut from = window.first();
    for block in blocks.of(window.first())..=blocks.of(window.last()) {
        if stops() {
            return None;
        }
        let (before, start, end) = (start_of(block - 1), start_of(block), start_of(block + 1));
        let mut instance = together.start();
        seen.begin(&mut instance, &bars[before..start]);
        let last_open_ms = (block + 1) * blocks.block_ms() - timeframe.ms();
        let last =
            timeframe.slot_of_open(last_open_ms).map_or(window.last(), |to| to.min(window.last()));
        let mut rest = &bars[start..end];
        // What follows the last bar goes with it.
        while from <= last {
            let (run, behind) = rest.split_at(rest.len().min(RUN));
            let to = behind.first().map_or(last, |bar| bar.ts.plus(-1).min(last));
            seen.fill(&mut instance, run);
            for lane in &mut lanes {
                lane.walk((from, to), run, &seen);
            }
            (from, rest) = (from.max(to.next()), behind);
        }
    }
    Some(lanes.into_iter().map(|lane| lane.end(window.last())).collect())
}

/// Bars of which the features of all lanes stay in the cache of a core while the lanes read them.
const RUN: usize = 512;

/// The features of one run of bars for all lanes.
#[derive(Debug, Default)]
struct Columns {
    /// Bars since the anchor, those of them without a hole, and the last one.
    since: (u32, u32, Option<SlotTs>),
    /// Column by column: a lane reads few of them, at many bars.
    values: Vec<f64>,
    /// Per bar, the bars since the anchor, and those without a hole.
    counts: Vec<(u32, u32)>,
    /// Per bar, how many follow each other without a hole from it on.
    ahead: Vec<usize>,
    /// Per bar, whether a day ends with it.
    ends_day: Vec<bool>,
}

impl Columns {
    /// A block begins, behind these bars of the block before.
    fn begin(&mut self, instance: &mut Instance, before: &[TimedBar]) {
        instance.pass(before);
        self.since = (0, 0, None);
        for bar in before {
            self.count(bar.ts);
        }
    }

    fn count(&mut self, ts: SlotTs) -> (u32, u32) {
        let (bars, unbroken, last) = self.since;
        let follows = last.is_none_or(|last| last.next() == ts);
        let unbroken = if follows { unbroken.saturating_add(1) } else { 1 };
        let bars = bars.saturating_add(1);
        self.since = (bars, unbroken, Some(ts));
        (bars, unbroken)
    }

    /// The next bars of the block.
    fn fill(&mut self, instance: &mut Instance, run: &[TimedBar]) {
        instance.run_columns(run, &mut self.values);
        self.counts.clear();
        for bar in run {
            let counts = self.count(bar.ts);
            self.counts.push(counts);
        }
        self.ends_day.clear();
        self.ends_day.extend(run.iter().map(|bar| bar.ts.ts_ms() % DAY_MS == 0));
        self.ahead.clear();
        self.ahead.resize(run.len(), 1);
        for (n, (_, unbroken)) in self.counts.iter().enumerate().skip(1).rev() {
            if *unbroken > 1 {
                self.ahead[n - 1] = self.ahead[n] + 1;
            }
        }
    }

    /// The values of one column, bar by bar.
    #[inline]
    fn column(&self, column: usize) -> &[f64] {
        &self.values[column * self.counts.len()..][..self.counts.len()]
    }
}

/// One trial under way.
struct Lane<'a> {
    core: &'a Core,
    places: &'a [usize],
    /// How its still slots are seen, where they can be.
    still: Option<Still>,
    /// Whether the slot before was decided and nothing was traded there.
    is_settled: bool,
    /// Between which closes the equity of the open position is neither a new peak nor a deeper fall.
    span: Option<[f64; 2]>,
    blocks: Blocks,
    maker: SlotMaker,
    state: State,
    close: Option<f64>,
    values: Vec<f64>,
    events: Vec<TradeEvent>,
    tally: Tally,
}

impl<'a> Lane<'a> {
    fn new(core: &'a Core, places: &'a [usize], tape: &Tape<'_>, signals: &Signals) -> Self {
        Self {
            core,
            places,
            still: core.still().filter(|_| signals.is_empty()),
            is_settled: false,
            span: None,
            blocks: core.blocks(tape.window.first().timeframe()),
            maker: SlotMaker::new(Vec::new()).hearing(signals.clone()),
            state: State::new(&core.rules),
            close: None,
            values: vec![0.0; places.len()],
            events: Vec::new(),
            tally: Tally::new(&core.rules, tape),
        }
    }

    /// The slots of one run of bars.
    fn walk(&mut self, (from, to): (SlotTs, SlotTs), bars: &[TimedBar], seen: &Columns) {
        let mut cursor = bars.partition_point(|bar| bar.ts < from);
        let mut ts = from;
        while ts <= to {
            if self.is_settled {
                let passed = self.drift((ts, to), &bars[cursor..], (cursor, seen));
                cursor += passed;
                ts = ts.plus(passed as i64);
                if ts > to {
                    break;
                }
            }
            let found = bars.get(cursor).filter(|bar| bar.ts == ts);
            self.decide(ts, found.map(|bar| bar.bar), (cursor, seen));
            cursor += usize::from(found.is_some());
            ts = ts.next();
        }
    }

    /// One slot, by the step.
    fn decide(&mut self, ts: SlotTs, bar: Option<Bar>, (place, seen): (usize, &Columns)) {
        let slot = self.maker.make(ts, bar, None, |_| None);
        let features = bar.map(|_| self.core_features(ts, place, seen));
        let features = features.map(|(readiness, score)| FeatureRow {
            values: &self.values,
            readiness,
            hash: None,
            score,
        });
        let slot_features = (&slot, features.as_ref());
        let block = self.core.step_unwritten(&mut self.state, slot_features, &mut self.events);
        self.close = slot.bar().map(Bar::close).or(self.close);
        self.span = None;
        self.is_settled = self.events.is_empty()
            && self.still.as_ref().is_some_and(|still| still.may_follow(&self.state));
        self.tally.slot(ts, &self.state, block, &mut self.events);
    }

    /// Passes the slots from one on at which nothing happens; returns how many these are. The last slot of the window is never one.
    fn drift(
        &mut self,
        (from, to): (SlotTs, SlotTs),
        bars: &[TimedBar],
        (place, seen): (usize, &Columns),
    ) -> usize {
        let Self { places, still: Some(still), state, tally, .. } = self else { return 0 };
        if bars.first().is_none_or(|bar| bar.ts != from) {
            return 0;
        }
        let (since, unbroken) = seen.counts[place];
        // Where one bar is ready, those that follow it without a hole are too.
        if self.blocks.readiness(since, unbroken) != Readiness::Ready {
            return 0;
        }
        let slots = to.min(tally.last.plus(-1)).since(from) + 1;
        let most = seen.ahead[place].min(usize::try_from(slots).unwrap_or(0));
        let quiet = &seen.column(places[still.place()])[place..][..most];
        let calm = quiet.iter().position(|value| *value != 0.0).unwrap_or(most);
        let ends_day = &seen.ends_day[place..][..calm];
        let passed = if state.side().is_none() {
            ends_day.iter().filter(|ends| **ends).for_each(|_| tally.day());
            calm
        } else {
            self.drift_open(&bars[..calm], ends_day)
        };
        if let Some(last) = passed.checked_sub(1) {
            self.take_over(bars[last].bar.close(), (place + last, seen));
        }
        passed
    }

    /// Lets bars pass its open position, as far as nothing happens.
    fn drift_open(&mut self, bars: &[TimedBar], ends_day: &[bool]) -> usize {
        let Self { core, state, tally, .. } = self;
        for (passed, (TimedBar { ts, bar }, is_midnight)) in bars.iter().zip(ends_day).enumerate() {
            if !state.drifts(bar, &core.rules) {
                return passed;
            }
            let close = bar.close();
            let is_within = self.span.is_some_and(|[low, high]| low <= close && close <= high);
            if *is_midnight || !is_within {
                let Some(equity) = state.marked((*ts, close), &core.rules) else { return passed };
                tally.mark(equity.float());
                self.span = Some(state.closes((close, equity.float()), tally.seen()));
            }
            if *is_midnight {
                tally.day();
            }
        }
        bars.len()
    }

    /// What it knows of the last slot that it passed.
    fn take_over(&mut self, close: f64, (place, seen): (usize, &Columns)) {
        if let Some(still) = &self.still {
            still.passed(&mut self.state, close, |at| seen.column(self.places[at])[place]);
        }
        self.close = Some(close);
    }

    /// Gathers its values from the columns of all; says whether they may be used, and what a model makes of them.
    fn core_features(
        &mut self,
        ts: SlotTs,
        place: usize,
        seen: &Columns,
    ) -> (Readiness, Option<i64>) {
        for (value, from) in self.values.iter_mut().zip(self.places) {
            *value = seen.column(*from)[place];
        }
        let (bars, unbroken) = seen.counts[place];
        let readiness = self.blocks.readiness(bars, unbroken);
        let strategy = &self.core.strategy;
        let ready = readiness == Readiness::Ready && strategy.models().is_some();
        let score =
            ready.then(|| strategy.score(ts, &self.values[..strategy.features().len()])).flatten();
        (readiness, score)
    }

    fn end(mut self, last: SlotTs) -> PlayedTrial {
        if let Some(close) = self.close {
            self.core.close_out_unwritten(&mut self.state, (last, close), &mut self.events);
        }
        self.tally.end(self.state, &mut self.events)
    }
}

/// What is counted of a trial on its way.
struct Tally {
    last: SlotTs,
    cash: f64,
    /// Equity after the last slot, and at the last midnight.
    equity: f64,
    midnight: f64,
    peak: f64,
    /// The fall from a peak at which a limit trips, as a part of the peak.
    drawdown_max: f64,
    in_position: bool,
    keeps: bool,
    /// What the open trade cost so far, and whether it is ambiguous.
    opening: (Money, bool),
    played: Counts,
}

/// A [`PlayedTrial`] without its state.
struct Counts {
    sums: DaySums,
    trades: u32,
    cut_trades: u32,
    gains: Money,
    losses: Money,
    drawdown: f64,
    vetoes: BTreeMap<Block, u32>,
    halted_slots: u32,
    ambiguous: u32,
    is_ruined: bool,
    days: Vec<f64>,
    events: Vec<TradeEvent>,
}

impl Tally {
    fn new(rules: &Rules, tape: &Tape<'_>) -> Self {
        let cash = rules.cash.float();
        let played = Counts {
            sums: DaySums::new(tape.cut),
            trades: 0,
            cut_trades: 0,
            gains: Money::ZERO,
            losses: Money::ZERO,
            drawdown: 0.0,
            vetoes: BTreeMap::new(),
            halted_slots: 0,
            ambiguous: 0,
            is_ruined: false,
            days: Vec::new(),
            events: Vec::new(),
        };
        Self {
            last: tape.window.last(),
            cash,
            equity: cash,
            midnight: cash,
            peak: cash,
            drawdown_max: rules
                .limits
                .drawdown_max_pct
                .map_or(1.0, |most| float(most.get()) / 100.0),
            in_position: false,
            keeps: tape.keeps,
            opening: (Money::ZERO, false),
            played,
        }
    }

    fn slot(
        &mut self,
        ts: SlotTs,
        state: &State,
        block: Option<Block>,
        events: &mut Vec<TradeEvent>,
    ) {
        if let Some(block) = block {
            *self.played.vetoes.entry(block).or_default() += 1;
        }
        let has_events = !events.is_empty();
        if has_events {
            self.trades(events);
        }
        if state.risk_state() != RiskState::Active {
            self.played.halted_slots += 1;
            self.played.is_ruined |= state.latch() == Some(Limit::Ruin);
        }
        // The last slot counts when what is open is closed.
        if ts == self.last {
            return;
        }
        let is_open = state.side().is_some();
        if is_open || self.in_position || has_events {
            self.mark(state.equity().float());
            self.in_position = is_open;
        }
        if ts.ts_ms() % DAY_MS == 0 {
            self.day();
        }
    }

    /// The equity after a slot.
    fn mark(&mut self, equity: f64) {
        self.equity = equity;
        if equity < self.peak {
            let depth = (self.peak - equity) / self.peak;
            self.played.drawdown = self.played.drawdown.max(depth);
        } else {
            self.peak = equity;
        }
    }

    /// Between which equities one is neither a new peak nor a deeper fall, and no limit on falls trips.
    fn seen(&self) -> [f64; 2] {
        [self.peak * (1.0 - self.played.drawdown.min(self.drawdown_max)), self.peak]
    }

    /// A day is over. Once everything is lost there is nothing to earn a return on.
    fn day(&mut self) {
        let lost = self.midnight <= 0.0;
        let r = if lost { 0.0 } else { (self.equity - self.midnight) / self.midnight };
        self.played.sums.take(r);
        self.midnight = self.equity;
        if self.keeps {
            self.played.days.push(self.equity);
        }
    }

    fn trades(&mut self, events: &mut Vec<TradeEvent>) {
        let played = &mut self.played;
        for event in events.iter() {
            let reason = match event.event {
                Event::Open(_) => {
                    self.opening = (event.pnl, event.ambiguous);
                    continue;
                }
                Event::Close(reason) => reason,
            };
            let (opening, was_ambiguous) = std::mem::take(&mut self.opening);
            let result = event.pnl + opening;
            played.trades += 1;
            played.cut_trades += u32::from(reason == CloseReason::EndOfWindow);
            played.ambiguous += u32::from(event.ambiguous || was_ambiguous);
            if result > Money::ZERO {
                played.gains += result;
            } else {
                played.losses += -result;
            }
        }
        if self.keeps {
            played.events.append(events);
        } else {
            events.clear();
        }
    }

    fn end(mut self, state: State, events: &mut Vec<TradeEvent>) -> PlayedTrial {
        self.trades(events);
        self.mark(state.equity().float());
        self.day();
        let played = self.played;
        PlayedTrial {
            sums: played.sums,
            trades: played.trades,
            cut_trades: played.cut_trades,
            gains: played.gains,
            losses: played.losses,
            net: self.equity - self.cash,
            growth: self.equity / self.cash,
            drawdown: played.drawdown,
            vetoes: played.vetoes,
            halted_slots: played.halted_slots,
            ambiguous: played.ambiguous,
            is_ruined: played.is_ruined || self.equity <= 0.0,
            state,
            days: played.days,
            events: played.events,
        }
    }
}
