//! The live loop's planner: given the time, what to do next; given an answer, which slots to decide. Pure.
//!
//! The time of day names slots and nothing else: every pause and every deadline is measured by the steady clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    domain::{
        bar::{Bar, Closed, ClosedBar},
        decision::Degraded,
        time::{Now, SlotTs, Steady, Timeframe, UtcMs},
    },
    engine::{anchor::Blocks, slot::first_at_or_after},
    manifest::CatchUpMode,
};

/// First pause after a failed or stale answer; it doubles up to [`RETRY_MAX_MS`].
const RETRY_FIRST_MS: i64 = 1_000;
const RETRY_MAX_MS: i64 = 30_000;

/// How the loop is paced.
#[derive(Debug, Clone, Copy)]
pub struct LoopPace {
    pub timeframe: Timeframe,
    /// How the features cut time; it says how far back a first start must look.
    pub blocks: Blocks,
    /// Wait after a bar's close before asking for it.
    pub settle_ms: i64,
    /// Timeframes after which a slot whose fetch keeps failing is given up, from the first question after its close.
    pub deadline_bars: i64,
    /// Bars asked for again behind the last decided one, to notice revisions.
    pub overlap_bars: i64,
    /// What to do with missed slots.
    pub catch_up: CatchUpMode,
    /// Most slots caught up; older ones are `bar_missing` and the series is halted.
    pub catch_up_bars_max: i64,
    /// Bars the feed can look back.
    pub horizon_bars: i64,
    /// Last slot to decide.
    pub until: Option<SlotTs>,
    /// Slots to decide in this run.
    pub bars_max: Option<u64>,
    /// A failure that is forced on every slot, for drills.
    pub forced: Option<Degraded>,
    /// Most slots in a row without a bar that are filled flat at the last close; 0 for a venue that leaves no bar out.
    pub carry_bars_max: i64,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum NextAct {
    /// Sleep until then.
    Sleep(Steady),
    /// Ask for the bars that close at this slot or later.
    Fetch(SlotTs),
    /// Decide these slots without asking.
    Decide(Vec<PlannedSlot>),
    /// Stop.
    Done(EndReason),
}

/// Why the loop ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The last slot of the window is decided.
    Window,
    /// The wanted number of slots is decided.
    MaxBars,
    /// The feed has nothing more to tell.
    Feed,
}

/// One slot to decide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedSlot {
    pub ts: SlotTs,
    /// Its bar, if it came.
    pub bar: Option<Bar>,
    /// What hinders it.
    pub degraded: Option<Degraded>,
    /// Decided later than its turn.
    pub caught_up: bool,
    /// What else has to be done about it.
    pub remark: Remark,
}

/// What has to be done about a slot beside deciding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    Plain,
    /// It is too old to be caught up: the series has to be halted here.
    Beyond,
    /// Its bar is not the venue's: nobody traded, and the last close stands for it. It has to be stored.
    Carried,
}

/// A question of this process that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// When it was asked.
    pub asked: Steady,
    /// What the slots get that are given up.
    pub cause: Degraded,
    /// How long the venue wants to be left alone, milliseconds.
    pub pause_ms: Option<i64>,
}

/// The state between two acts.
#[derive(Debug, Clone)]
pub struct Planner {
    pace: LoopPace,
    last: Option<SlotTs>,
    oldest_held: Option<SlotTs>,
    feed_ends: Option<UtcMs>,
    decided: u64,
    retry_at: Steady,
    retries: u32,
    /// Whether this process was answered.
    is_answered: bool,
    /// Slots that had no bar in the last answer, though it had later ones.
    absent: BTreeSet<SlotTs>,
    /// The earliest that it can be, and when that was known. A wrong clock does not move it.
    sure: Option<Now>,
    /// Questions that failed since the last answer, oldest first: the newest slot that had closed for certain, for each the first.
    failing: VecDeque<(SlotTs, Steady)>,
}

impl Planner {
    /// A loop whose last decided slot is `last`, with the oldest slot whose bar is still held back.
    pub fn new(
        pace: LoopPace,
        last: Option<SlotTs>,
        oldest_held: Option<SlotTs>,
        feed_ends: Option<UtcMs>,
        up: Steady,
    ) -> Self {
        Self {
            pace,
            last,
            oldest_held,
            feed_ends,
            decided: 0,
            retry_at: up,
            retries: 0,
            is_answered: false,
            absent: BTreeSet::new(),
            // What is decided has closed.
            sure: last.map(|last| Now { at: last.close(), up }),
            failing: VecDeque::new(),
        }
    }

    /// Tells which slot was just decided, and the oldest one whose bar is still held back.
    pub fn decided(&mut self, ts: SlotTs, oldest_held: Option<SlotTs>) {
        assert!(self.last.is_none_or(|last| last.next() == ts), "slots are decided one by one");
        self.last = Some(ts);
        self.oldest_held = oldest_held;
        self.decided += 1;
    }

    /// Tells what time it is for certain, by the venue. That may be earlier than what was known: dates can be wrong for a while.
    pub fn set_sure(&mut self, told: Now) {
        self.sure = Some(told);
    }

    /// Tells a time that has come: the venue showed a bar that closed then.
    pub fn learn(&mut self, told: Now) {
        if self.sure_at(told.up).is_none_or(|at| at < told.at) {
            self.sure = Some(told);
        }
    }

    /// The earliest that it can be at `up`.
    fn sure_at(&self, up: Steady) -> Option<UtcMs> {
        self.sure.map(|sure| sure.at.plus_ms(up.since(sure.up).max(0)))
    }

    /// The time to go by where no venue says what time it is: `now`, or the earliest that it can be, when that is later.
    pub fn reckoned(&self, now: Now) -> Now {
        Now { at: self.sure_at(now.up).map_or(now.at, |sure| sure.max(now.at)), up: now.up }
    }

    /// What to do at `now`.
    pub fn next(&self, now: Now) -> NextAct {
        let Now { at, up } = now;
        if let Some(ended) = self.ended(at) {
            return NextAct::Done(ended);
        }
        let due = self.last.map_or(at, |last| last.next().close().plus_ms(self.pace.settle_ms));
        // A clock that nobody has confirmed may be behind, and only an answer can tell.
        let wait_ms = if self.asks() && !self.is_answered { 0 } else { due.get() - at.get() };
        let wake = up.plus_ms(wait_ms).max(self.retry_at);
        if up < wake {
            return NextAct::Sleep(wake);
        }
        match (self.last, self.pace.forced) {
            (Some(last), Some(Degraded::FetchFailed)) => {
                NextAct::Decide(vec![self.planned(last.next(), None, at, self.pace.forced)])
            }
            _ => NextAct::Fetch(self.since(at)),
        }
    }

    /// Whether the feed goes on for ever and may be asked: then its answers tell what time it is.
    fn asks(&self) -> bool {
        self.feed_ends.is_none() && self.pace.forced != Some(Degraded::FetchFailed)
    }

    fn ended(&self, now: UtcMs) -> Option<EndReason> {
        if self.pace.bars_max.is_some_and(|most| self.decided >= most) {
            return Some(EndReason::MaxBars);
        }
        if self.pace.until.is_some_and(|until| self.last.is_some_and(|last| last >= until)) {
            return Some(EndReason::Window);
        }
        let over =
            |ends: UtcMs| now.get() > ends.get() + self.pace.timeframe.ms() + self.pace.settle_ms;
        self.feed_ends.is_some_and(over).then_some(EndReason::Feed)
    }

    /// The oldest bar worth asking for.
    fn since(&self, now: UtcMs) -> SlotTs {
        let timeframe = self.pace.timeframe;
        let first =
            first_at_or_after(timeframe, timeframe.ms()).expect("every grid has a first slot");
        match (self.last, timeframe.last_closed(now)) {
            (Some(last), _) => self
                .oldest_held
                .map_or(last.next(), |held| held.min(last.next()))
                .plus(-self.pace.overlap_bars.max(self.pace.carry_bars_max)),
            (None, Some(newest)) => {
                timeframe.slot_of_open(self.pace.blocks.anchor_ms(newest)).unwrap_or(first)
            }
            (None, None) => first,
        }
    }

    /// What slots an answer must have a bar for, that none is looked for elsewhere: those up to its newest one that are to be
    /// decided, and those whose close may have to be carried.
    pub fn wants(&self, newest: SlotTs) -> Option<(SlotTs, SlotTs)> {
        let first = self.last?.next().plus(-self.pace.carry_bars_max);
        let oldest = newest.plus(1 - self.pace.catch_up_bars_max);
        (newest > self.last?).then(|| (first.max(oldest), newest))
    }

    /// The closed part of an answer came: which slots can be decided now. A slot without a bar is asked about once more before
    /// that is believed; until then only the slots before it are decided.
    pub fn answered(&mut self, now: Now, closed: &Closed) -> Vec<PlannedSlot> {
        self.is_answered = true;
        self.failing.clear();
        let inside = |ts: &SlotTs| self.pace.until.is_none_or(|until| *ts <= until);
        let (next, newest) = if let Some(last) = self.last {
            // A bar behind the end of the window says that the last slot inside will have none.
            let end = |ts: SlotTs| self.pace.until.map_or(ts, |until| ts.min(until));
            (Some(last.next()), closed.newest.map(end))
        } else {
            let newest = closed.bars.iter().map(ClosedBar::ts).filter(inside).max();
            (newest, newest)
        };
        let (Some(next), Some(newest)) = (next, newest) else {
            self.wait(now.up);
            return Vec::new();
        };
        if newest < next {
            self.wait(now.up);
            return Vec::new();
        }
        let bars: BTreeMap<SlotTs, Bar> =
            closed.bars.iter().map(|bar| (bar.ts(), bar.get().bar)).collect();
        let known = |ts: SlotTs| bars.get(&ts).copied();
        let (reach, horizon) = (self.pace.catch_up_bars_max, self.pace.horizon_bars);
        let is_beyond = |ts: SlotTs| {
            ts < newest.plus(1 - reach) || ts < newest.plus(1 - horizon) && known(ts).is_none()
        };
        let mut slots: Vec<SlotTs> = (0..=newest.since(next)).map(|n| next.plus(n)).collect();
        let holes: BTreeSet<SlotTs> =
            slots.iter().copied().filter(|ts| !is_beyond(*ts) && known(*ts).is_none()).collect();
        if let Some(new) = holes.difference(&self.absent).next().copied() {
            self.retry_at = now.up.plus_ms(RETRY_FIRST_MS);
            slots.retain(|ts| *ts < new);
            self.absent = holes;
        } else {
            self.settled(now.up);
        }
        let first_start = self.last.is_none();
        let mut carry = Carry::into(next, self.pace.carry_bars_max, known);
        slots
            .into_iter()
            .take(self.left())
            .map(|ts| {
                let beyond = is_beyond(ts);
                let own = if beyond { None } else { known(ts) };
                let flat = carry.over(own, beyond);
                let bar = own.or(flat);
                let cause = self.pace.forced.or(bar.is_none().then_some(Degraded::BarMissing));
                let planned = self.planned(ts, bar, now.at, cause);
                let caught_up = planned.caught_up && !first_start;
                let remark = match (beyond, flat.is_some() && planned.bar.is_some()) {
                    (true, _) => Remark::Beyond,
                    (false, true) => Remark::Carried,
                    (false, false) => Remark::Plain,
                };
                PlannedSlot { caught_up, remark, ..planned }
            })
            .map(|planned| self.under_policy(planned))
            .collect()
    }

    /// A slot that was to be given up has its bar after all.
    pub fn found(&self, planned: PlannedSlot, bar: Bar) -> PlannedSlot {
        self.under_policy(PlannedSlot { bar: Some(bar), degraded: None, ..planned })
    }

    fn under_policy(&self, planned: PlannedSlot) -> PlannedSlot {
        let cause = match (planned.caught_up && planned.degraded.is_none(), self.pace.catch_up) {
            (false, _) | (true, CatchUpMode::Replay) => planned.degraded,
            (true, CatchUpMode::Observe) => Some(Degraded::CatchupNoEntry),
            (true, CatchUpMode::Off) => Some(Degraded::Downtime),
        };
        PlannedSlot { degraded: cause, ..planned }
    }

    /// The fetch or the raw store failed: which slots are past their deadline and must be given up. It counts from the first
    /// question after their close, so that what was missed while the machine was off is caught up; and a slot closes when that
    /// is certain, so that a wrong clock gives up nothing that has not happened.
    pub fn failed(&mut self, now: Now, failed: Failed) -> Vec<PlannedSlot> {
        self.wait(now.up);
        let Failed { asked, cause, pause_ms } = failed;
        self.retry_at = self.retry_at.max(now.up.plus_ms(pause_ms.unwrap_or(0)));
        let Some(last) = self.last else { return Vec::new() };
        let closed = self.sure_at(asked).and_then(|at| self.pace.timeframe.last_closed(at));
        let newest = self.failing.back().map_or(last, |(ts, _)| *ts);
        if let Some(closed) = closed.filter(|closed| *closed > newest) {
            self.failing.push_back((closed, asked));
        }
        let patience_ms = self.pace.deadline_bars * self.pace.timeframe.ms();
        let mut upto = last;
        while let Some((ts, since)) = self.failing.front().copied() {
            if now.up.since(since) < patience_ms {
                break;
            }
            self.failing.pop_front();
            upto = upto.max(ts);
        }
        (1..=upto.since(last))
            .map(|n| last.plus(n))
            .take_while(|ts| self.pace.until.is_none_or(|until| *ts <= until))
            .take(self.left())
            .map(|ts| self.planned(ts, None, now.at, Some(cause)))
            .collect()
    }

    /// How many slots may still be decided in this run.
    fn left(&self) -> usize {
        let left = self.pace.bars_max.map(|most| most.saturating_sub(self.decided));
        left.and_then(|left| left.try_into().ok()).unwrap_or(usize::MAX)
    }

    fn planned(
        &self,
        ts: SlotTs,
        bar: Option<Bar>,
        now: UtcMs,
        degraded: Option<Degraded>,
    ) -> PlannedSlot {
        let late_ms = now.get() - ts.ts_ms();
        let caught_up = late_ms >= self.pace.timeframe.ms() + self.pace.settle_ms;
        let held_back = degraded.is_some_and(Degraded::holds_bar_back);
        let bar = bar.filter(|_| !held_back);
        PlannedSlot { ts, bar, degraded, caught_up, remark: Remark::Plain }
    }

    fn wait(&mut self, up: Steady) {
        let pause = (RETRY_FIRST_MS << self.retries.min(10)).min(RETRY_MAX_MS);
        self.retries += 1;
        self.retry_at = up.plus_ms(pause);
    }

    fn settled(&mut self, up: Steady) {
        self.retries = 0;
        self.retry_at = up;
        self.absent.clear();
    }
}

/// The last close, carried over slots in which nobody traded.
struct Carry {
    bars_max: i64,
    left: i64,
    bar: Option<Bar>,
}

impl Carry {
    /// What is carried into `next`. The last bar may lie some slots back: a loop can end inside a run of empty slots.
    fn into(next: SlotTs, bars_max: i64, known: impl Fn(SlotTs) -> Option<Bar>) -> Self {
        let last = (1..=bars_max).find_map(|back| Some((back, known(next.plus(-back))?.flat())));
        let left = last.map_or(0, |(back, _)| bars_max + 1 - back);
        Self { bars_max, left, bar: last.map(|(_, bar)| bar) }
    }

    /// A bar of the venue: it may be carried on from here.
    fn learn(&mut self, own: Option<Bar>) {
        self.left = self.bars_max;
        self.bar = own.map(|bar| bar.flat());
    }

    /// The bar that stands for a slot without one, if any may.
    fn over(&mut self, own: Option<Bar>, beyond: bool) -> Option<Bar> {
        if own.is_some() || beyond {
            self.learn(own);
            return None;
        }
        self.left -= 1;
        self.bar.filter(|_| self.left >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bar::TimedBar;

    const T0: i64 = 1_700_006_400_000;

    fn ts(n: i64) -> SlotTs {
        Timeframe::M1.slot(T0 + n * 60_000).unwrap()
    }

    /// When slot 10 closes on the steady clock, which shows what a right clock would.
    const UP: Steady = Steady::new(T0 + 600_000);

    fn at(n: i64, ms: i64) -> Now {
        let at = ts(n).close().plus_ms(ms);
        Now { at, up: Steady::new(at.get()) }
    }

    fn closed(slots: &[i64]) -> Closed {
        let bar = Bar::new([1.0; 5]).unwrap();
        let bars: Vec<ClosedBar> =
            slots.iter().map(|n| ClosedBar::archived(TimedBar { ts: ts(*n), bar })).collect();
        Closed { newest: bars.last().map(ClosedBar::ts), bars, bad: Vec::new() }
    }

    /// A question that was asked and failed at `now`.
    fn fails(planner: &mut Planner, now: Now) -> Vec<(i64, Option<Degraded>)> {
        let failed = Failed { asked: now.up, cause: Degraded::FetchFailed, pause_ms: None };
        names(&planner.failed(now, failed))
    }

    fn pace() -> LoopPace {
        LoopPace {
            timeframe: Timeframe::M1,
            blocks: Blocks::new(Timeframe::M1, 200, 12),
            settle_ms: 2_000,
            deadline_bars: 3,
            overlap_bars: 5,
            catch_up: CatchUpMode::Replay,
            catch_up_bars_max: 100,
            horizon_bars: 720,
            until: None,
            bars_max: None,
            forced: None,
            carry_bars_max: 0,
        }
    }

    fn names(planned: &[PlannedSlot]) -> Vec<(i64, Option<Degraded>)> {
        planned.iter().map(|p| (p.ts.since(ts(0)), p.degraded)).collect()
    }

    #[test]
    fn it_sleeps_to_the_boundary_plus_settle_then_asks_with_overlap() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        assert_eq!(
            planner.next(at(10, 500)),
            NextAct::Fetch(ts(6)),
            "what time it is must be told"
        );
        assert!(planner.answered(at(10, 500), &closed(&[9, 10])).is_empty());
        assert_eq!(planner.next(at(10, 500)), NextAct::Sleep(at(11, 2_000).up));
        assert_eq!(planner.next(at(11, 2_000)), NextAct::Fetch(ts(6)));
    }

    #[test]
    fn a_first_start_looks_back_to_the_anchor_and_decides_only_the_newest() {
        let mut planner = Planner::new(pace(), None, None, None, UP);
        let NextAct::Fetch(since) = planner.next(at(10, 0)) else { panic!("it must ask at once") };
        assert_eq!(since.open_ms(), pace().blocks.anchor_ms(ts(10)));
        assert_eq!(names(&planner.answered(at(10, 0), &closed(&[7, 8, 9, 10]))), [(10, None)]);
    }

    #[test]
    fn c8_missed_slots_come_in_order_before_the_newest() {
        for (mode, cause) in [
            (CatchUpMode::Replay, None),
            (CatchUpMode::Observe, Some(Degraded::CatchupNoEntry)),
            (CatchUpMode::Off, Some(Degraded::Downtime)),
        ] {
            let mut planner =
                Planner::new(LoopPace { catch_up: mode, ..pace() }, Some(ts(10)), None, None, UP);
            let planned = planner.answered(at(13, 2_000), &closed(&[9, 10, 11, 12, 13]));
            assert_eq!(names(&planned), [(11, cause), (12, cause), (13, None)], "{mode:?}");
        }
    }

    #[test]
    fn a_hole_is_confirmed_by_asking_again_and_then_named() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        let before = planner.answered(at(13, 2_000), &closed(&[11, 13]));
        assert_eq!(names(&before), [(11, None)], "what lies before the hole does not wait");
        planner.decided(ts(11), None);
        assert_eq!(planner.next(at(13, 2_000)), NextAct::Sleep(at(13, 3_000).up));
        let planned = planner.answered(at(13, 3_000), &closed(&[11, 13]));
        assert_eq!(names(&planned), [(12, Some(Degraded::BarMissing)), (13, None)]);
    }

    #[test]
    fn a_hole_that_moves_is_asked_about_twice_wherever_it_is() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        assert!(planner.answered(at(13, 2_000), &closed(&[12, 13])).is_empty(), "11 is absent");
        let planned = planner.answered(at(13, 3_000), &closed(&[11, 13]));
        assert_eq!(names(&planned), [(11, None)], "12 was absent once");
        planner.decided(ts(11), None);
        let planned = planner.answered(at(13, 4_000), &closed(&[11, 12, 13]));
        assert_eq!(names(&planned), [(12, None), (13, None)]);
    }

    #[test]
    fn a_slot_whose_row_is_not_a_bar_is_missing_in_its_turn() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        // A later row, which is forming, closed it.
        let answer = Closed { newest: Some(ts(12)), ..closed(&[10, 11]) };
        assert_eq!(names(&planner.answered(at(12, 2_000), &answer)), [(11, None)]);
        planner.decided(ts(11), None);
        let planned = planner.answered(at(12, 3_000), &answer);
        assert_eq!(names(&planned), [(12, Some(Degraded::BarMissing))]);
    }

    #[test]
    fn a_window_that_ends_in_a_hole_ends_all_the_same() {
        let pace = LoopPace { until: Some(ts(12)), ..pace() };
        let mut planner = Planner::new(pace, Some(ts(10)), None, None, UP);
        assert_eq!(names(&planner.answered(at(13, 2_000), &closed(&[11, 13]))), [(11, None)]);
        planner.decided(ts(11), None);
        let planned = planner.answered(at(13, 3_000), &closed(&[11, 13]));
        assert_eq!(names(&planned), [(12, Some(Degraded::BarMissing))]);
        let late =
            Planner::new(pace, None, None, None, UP).answered(at(14, 0), &closed(&[10, 11, 14]));
        assert_eq!(names(&late), [(11, None)], "a first start decides a bar it has");
    }

    #[test]
    fn a_stale_answer_consumes_no_slot_and_is_asked_again_ever_more_slowly() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        let mut ms = 2_000;
        for pause in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert!(planner.answered(at(11, ms), &closed(&[9, 10])).is_empty());
            assert_eq!(planner.next(at(11, ms)), NextAct::Sleep(at(11, ms + pause).up));
            ms += pause;
        }
    }

    #[test]
    fn a_failed_fetch_consumes_no_slot_until_its_deadline() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        assert!(fails(&mut planner, at(11, 2_000)).is_empty());
        assert!(fails(&mut planner, at(12, 2_000)).is_empty());
        assert!(fails(&mut planner, at(14, 1_999)).is_empty());
        let gone = Some(Degraded::FetchFailed);
        assert_eq!(fails(&mut planner, at(14, 2_000)), [(11, gone)]);
        planner.decided(ts(11), Some(ts(11)));
        assert_eq!(fails(&mut planner, at(15, 2_000)), [(12, gone)]);
        planner.decided(ts(12), Some(ts(11)));
        // An answer that has nothing new is an answer: the venue is there.
        assert!(planner.answered(at(16, 0), &closed(&[9, 10])).is_empty());
        assert!(fails(&mut planner, at(18, 0)).is_empty());
    }

    #[test]
    fn c8_a_start_in_the_dark_gives_up_nothing_before_its_own_deadline() {
        let start = at(110, 0).up;
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, start);
        planner.learn(at(110, 0));
        assert!(fails(&mut planner, at(110, 0)).is_empty(), "one failed question");
        assert!(fails(&mut planner, at(112, 59_999)).is_empty());
        let all: Vec<i64> = (11..=110).collect();
        let mut lit = planner.clone();
        let planned = lit.answered(at(112, 59_999), &closed(&all));
        assert!(names(&planned).iter().all(|(_, cause)| cause.is_none()) && planned.len() == 100);
        let gone: Vec<i64> = fails(&mut planner, at(113, 0)).iter().map(|(n, _)| *n).collect();
        assert_eq!(gone, all, "the deadline is over for all of them");
    }

    #[test]
    fn nothing_is_given_up_before_it_can_have_happened() {
        // The clock is two days ahead, no venue ever answers, and slot 10 had closed when the process began.
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        let ahead = |n: i64, ms: i64| Now { at: at(n + 2_880, ms).at, ..at(n, ms) };
        let mut given_up = 10;
        for n in 10..60 {
            for (slot, cause) in fails(&mut planner, ahead(n, 30_000)) {
                assert_eq!((slot, cause), (given_up + 1, Some(Degraded::FetchFailed)));
                assert!(slot + 3 <= n, "slot {slot} was given up when {n} had closed");
                planner.decided(ts(slot), None);
                given_up = slot;
            }
        }
        assert_eq!(given_up, 56, "and it is not stuck");
    }

    #[test]
    fn a_date_that_was_wrong_is_taken_back() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        planner.set_sure(Now { at: at(5_000, 0).at, ..at(11, 0) });
        assert!(fails(&mut planner, at(11, 2_000)).is_empty());
        planner.set_sure(at(12, 0));
        assert!(planner.answered(at(12, 0), &closed(&[9, 10])).is_empty());
        assert!(fails(&mut planner, at(12, 2_000)).is_empty());
        let gone = Some(Degraded::FetchFailed);
        assert_eq!(fails(&mut planner, at(15, 2_000)), [(11, gone), (12, gone)]);
    }

    #[test]
    fn a_clock_that_is_set_does_not_move_a_pause() {
        for apart in [-5_256_000, -60, -1, 0, 1, 60, 5_256_000] {
            let set =
                |n: i64, ms: i64| Now { at: at(n, ms).at.plus_ms(apart * 60_000), ..at(n, ms) };
            let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
            assert!(planner.answered(at(10, 500), &closed(&[9, 10])).is_empty());
            assert!(fails(&mut planner, at(11, 2_000)).is_empty());
            let NextAct::Sleep(until) = planner.next(planner.reckoned(set(11, 2_000))) else {
                panic!("{apart}")
            };
            assert!(
                until >= at(11, 3_000).up && until <= at(11, 4_000).up,
                "set by {apart} slots: {until:?}"
            );
        }
    }

    #[test]
    fn a_venue_that_wants_to_be_left_alone_is_left_alone() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        let asked = at(11, 2_000).up;
        let failed = Failed { asked, cause: Degraded::FetchFailed, pause_ms: Some(18_000) };
        assert!(planner.failed(at(11, 2_000), failed).is_empty());
        assert_eq!(planner.next(at(11, 3_000)), NextAct::Sleep(at(11, 20_000).up));
    }

    #[test]
    fn the_last_close_is_carried_over_slots_without_a_trade_but_not_for_ever() {
        let pace = LoopPace { carry_bars_max: 2, ..pace() };
        let mut planner = Planner::new(pace, Some(ts(10)), None, None, UP);
        assert!(planner.answered(at(16, 2_000), &closed(&[10, 14, 16])).is_empty(), "asked again");
        let planned = planner.answered(at(16, 3_000), &closed(&[10, 14, 16]));
        assert_eq!(
            names(&planned),
            [
                (11, None),
                (12, None),
                (13, Some(Degraded::BarMissing)),
                (14, None),
                (15, None),
                (16, None)
            ]
        );
        let carried: Vec<bool> = planned.iter().map(|p| p.remark == Remark::Carried).collect();
        assert_eq!(carried, [true, true, false, false, true, false]);
        assert_eq!(planned[0].bar.unwrap().values(), [1.0, 1.0, 1.0, 1.0, 0.0]);
        let mut unknown = Planner::new(pace, Some(ts(10)), None, None, UP);
        unknown.answered(at(12, 2_000), &closed(&[12]));
        let planned = unknown.answered(at(12, 3_000), &closed(&[12]));
        assert_eq!(names(&planned), [(11, Some(Degraded::BarMissing)), (12, None)]);
    }

    #[test]
    fn a_restart_inside_a_run_of_empty_slots_carries_on() {
        let pace = LoopPace { carry_bars_max: 2, overlap_bars: 0, ..pace() };
        for (last, expected) in [
            (10, vec![(11, None), (12, None), (13, Some(Degraded::BarMissing)), (14, None)]),
            (11, vec![(12, None), (13, Some(Degraded::BarMissing)), (14, None)]),
            (12, vec![(13, Some(Degraded::BarMissing)), (14, None)]),
        ] {
            let mut planner = Planner::new(pace, Some(ts(last)), None, None, UP);
            let NextAct::Fetch(since) = planner.next(at(14, 2_000)) else { panic!("it is due") };
            let mut shown = vec![9, 10, 14];
            shown.retain(|n| ts(*n) >= since);
            let mut planned = planner.answered(at(14, 2_000), &closed(&shown));
            for one in &planned {
                planner.decided(one.ts, None);
            }
            planned.extend(planner.answered(at(14, 3_000), &closed(&shown)));
            assert_eq!(names(&planned), expected, "after {last}");
        }
    }

    #[test]
    fn a_clock_that_has_yet_to_reach_the_last_slot_does_not_keep_the_loop_from_asking() {
        let mut planner = Planner::new(pace(), Some(ts(130)), None, None, UP);
        assert_eq!(planner.next(at(10, 0)), NextAct::Fetch(ts(126)));
        assert!(fails(&mut planner, at(10, 0)).is_empty());
        assert_eq!(
            planner.next(at(10, 0)),
            NextAct::Sleep(at(10, 1_000).up),
            "it is not asked in a hurry"
        );
        assert_eq!(planner.next(at(10, 1_000)), NextAct::Fetch(ts(126)));
        // Once it was answered it goes by the last slot, which has closed, and the time that has passed.
        assert!(planner.answered(at(10, 1_000), &closed(&[130])).is_empty());
        let reckoned = planner.reckoned(at(10, 1_000));
        assert_eq!(planner.next(reckoned), NextAct::Sleep(at(11, 2_000).up));
        let forced = LoopPace { forced: Some(Degraded::FetchFailed), ..pace() };
        let drill = Planner::new(forced, Some(ts(130)), None, None, UP);
        assert_eq!(drill.next(at(10, 0)), NextAct::Sleep(at(131, 2_000).up), "nobody is asked");
        let recording = Planner::new(pace(), Some(ts(130)), None, Some(at(200, 0).at), UP);
        assert_eq!(
            recording.next(at(10, 0)),
            NextAct::Sleep(at(131, 2_000).up),
            "it has its own time"
        );
    }

    #[test]
    fn no_more_slots_are_decided_than_wanted_however_many_an_answer_brings() {
        let pace = LoopPace { bars_max: Some(2), ..pace() };
        let mut planner = Planner::new(pace, Some(ts(10)), None, None, UP);
        assert_eq!(
            names(&planner.answered(at(14, 2_000), &closed(&[11, 12, 13, 14]))),
            [(11, None), (12, None)]
        );
        planner.decided(ts(11), None);
        let gone = Some(Degraded::FetchFailed);
        assert!(fails(&mut planner, at(19, 0)).is_empty());
        assert_eq!(fails(&mut planner, at(22, 0)), [(12, gone)]);
    }

    #[test]
    fn a_held_bar_is_asked_for_again() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None, UP);
        planner.decided(ts(11), Some(ts(11)));
        planner.decided(ts(12), Some(ts(11)));
        assert_eq!(planner.next(at(13, 2_000)), NextAct::Fetch(ts(6)));
    }

    #[test]
    fn what_lies_beyond_the_horizon_is_named_missing_and_halts() {
        let mut planner =
            Planner::new(LoopPace { catch_up_bars_max: 2, ..pace() }, Some(ts(10)), None, None, UP);
        let planned = planner.answered(at(14, 2_000), &closed(&[11, 12, 13, 14]));
        let missing = Some(Degraded::BarMissing);
        assert_eq!(names(&planned), [(11, missing), (12, missing), (13, None), (14, None)]);
        assert_eq!(
            planned.iter().map(|p| p.remark == Remark::Beyond).collect::<Vec<_>>(),
            [true, true, false, false]
        );
    }

    #[test]
    fn forced_failures_take_every_slot_at_once() {
        let forced = Some(Degraded::FetchFailed);
        let planner = Planner::new(LoopPace { forced, ..pace() }, Some(ts(10)), None, None, UP);
        let NextAct::Decide(planned) = planner.next(at(11, 2_000)) else {
            panic!("no question asked")
        };
        assert_eq!(names(&planned), [(11, forced)]);
    }

    #[test]
    fn it_ends_with_the_window_the_count_or_the_feed() {
        let window =
            Planner::new(LoopPace { until: Some(ts(10)), ..pace() }, Some(ts(10)), None, None, UP);
        assert_eq!(window.next(at(10, 0)), NextAct::Done(EndReason::Window));
        let mut counted =
            Planner::new(LoopPace { bars_max: Some(1), ..pace() }, Some(ts(10)), None, None, UP);
        counted.decided(ts(11), None);
        assert_eq!(counted.next(at(11, 0)), NextAct::Done(EndReason::MaxBars));
        let feed = Planner::new(pace(), Some(ts(10)), None, Some(at(10, 0).at), UP);
        assert_eq!(feed.next(at(11, 2_000)), NextAct::Fetch(ts(6)));
        assert_eq!(feed.next(at(11, 2_001)), NextAct::Done(EndReason::Feed));
    }
}
