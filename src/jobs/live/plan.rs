//! The live loop's planner: given the time, what to do next; given an answer, which slots to decide. Pure.

use crate::{
    domain::{
        bar::{Bar, ClosedBar},
        decision::Degraded,
        time::{SlotTs, Timeframe, UtcMs},
    },
    engine::{anchor::Blocks, slot::first_at_or_after},
};

/// First pause after a failed or stale answer; it doubles up to [`RETRY_MAX_MS`].
const RETRY_FIRST_MS: i64 = 1_000;
const RETRY_MAX_MS: i64 = 30_000;

/// What to do with slots missed while the loop was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// Decide and fill them as if live.
    Replay,
    /// Suppress entries, let exits pass.
    Observe,
    /// Decide nothing; stops still run.
    Off,
}

/// How the loop is paced.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The grid.
    pub timeframe: Timeframe,
    /// How the features cut time; it says how far back a first start must look.
    pub blocks: Blocks,
    /// Wait after a bar's close before asking for it.
    pub settle_ms: i64,
    /// Timeframes after which a slot whose fetch keeps failing is given up.
    pub deadline_bars: i64,
    /// Bars asked for again behind the last decided one, to notice revisions.
    pub overlap_bars: i64,
    /// What to do with missed slots.
    pub catch_up: CatchUp,
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
pub enum Act {
    /// Sleep until then.
    Sleep(UtcMs),
    /// Ask for the bars that close at this slot or later.
    Fetch(SlotTs),
    /// Decide these slots without asking.
    Decide(Vec<Planned>),
    /// Stop.
    Done(Ended),
}

/// Why the loop ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The last slot of the window is decided.
    Window,
    /// The wanted number of slots is decided.
    MaxBars,
    /// The feed has nothing more to tell.
    Feed,
}

/// One slot to decide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planned {
    /// The slot.
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
    /// Nothing.
    Plain,
    /// It is too old to be caught up: the series has to be halted here.
    Beyond,
    /// Its bar is not the venue's: nobody traded, and the last close stands for it. It has to be stored.
    Carried,
}

/// The state between two acts.
#[derive(Debug, Clone)]
pub struct Planner {
    pace: Pace,
    last: Option<SlotTs>,
    oldest_held: Option<SlotTs>,
    feed_ends: Option<UtcMs>,
    decided: u64,
    retry_at: UtcMs,
    retries: u32,
    confirming: bool,
}

impl Planner {
    /// A loop whose last decided slot is `last`, with the oldest slot whose bar is still held back.
    pub fn new(
        pace: Pace,
        last: Option<SlotTs>,
        oldest_held: Option<SlotTs>,
        feed_ends: Option<UtcMs>,
    ) -> Self {
        let retry_at = UtcMs::EPOCH;
        Self {
            pace,
            last,
            oldest_held,
            feed_ends,
            decided: 0,
            retry_at,
            retries: 0,
            confirming: false,
        }
    }

    /// Tells which slot was just decided, and the oldest one whose bar is still held back.
    pub fn decided(&mut self, ts: SlotTs, oldest_held: Option<SlotTs>) {
        assert!(self.last.is_none_or(|last| last.next() == ts), "slots are decided one by one");
        self.last = Some(ts);
        self.oldest_held = oldest_held;
        self.decided += 1;
    }

    /// The last decided slot.
    pub fn last(&self) -> Option<SlotTs> {
        self.last
    }

    /// What to do at `now`.
    pub fn next(&self, now: UtcMs) -> Act {
        if let Some(ended) = self.ended(now) {
            return Act::Done(ended);
        }
        let due = self.last.map_or(now, |last| last.next().close().plus_ms(self.pace.settle_ms));
        // What is decided has closed: a clock that has yet to reach it is behind, and only answers can tell by how much.
        let behind = self.last.is_some_and(|last| now < last.close()) && self.asks();
        let wake = if behind { self.retry_at } else { due.max(self.retry_at) };
        if now < wake {
            return Act::Sleep(wake);
        }
        match (self.last, self.pace.forced) {
            (Some(last), Some(Degraded::FetchFailed)) => {
                Act::Decide(vec![self.planned(last.next(), None, now, self.pace.forced)])
            }
            _ => Act::Fetch(self.since(now)),
        }
    }

    /// Whether the feed goes on for ever and may be asked: then its answers tell what time it is.
    fn asks(&self) -> bool {
        self.feed_ends.is_none() && self.pace.forced != Some(Degraded::FetchFailed)
    }

    fn ended(&self, now: UtcMs) -> Option<Ended> {
        if self.pace.bars_max.is_some_and(|most| self.decided >= most) {
            return Some(Ended::MaxBars);
        }
        if self.pace.until.is_some_and(|until| self.last.is_some_and(|last| last >= until)) {
            return Some(Ended::Window);
        }
        let over =
            |ends: UtcMs| now.get() > ends.get() + self.pace.timeframe.ms() + self.pace.settle_ms;
        self.feed_ends.is_some_and(over).then_some(Ended::Feed)
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

    /// The closed bars of an answer came: which slots can be decided now. A hole is asked about once more before it is believed.
    pub fn answered(&mut self, now: UtcMs, closed: &[ClosedBar]) -> Vec<Planned> {
        let inside = |ts: &SlotTs| self.pace.until.is_none_or(|until| *ts <= until);
        let all = || closed.iter().map(ClosedBar::ts);
        let (next, newest) = match self.last {
            // A bar behind the end of the window says that the last slot inside will have none.
            Some(last) => {
                let end = |ts: SlotTs| self.pace.until.map_or(ts, |until| ts.min(until));
                (Some(last.next()), all().max().map(end))
            }
            None => (all().filter(inside).max(), all().filter(inside).max()),
        };
        let (Some(next), Some(newest)) = (next, newest) else {
            self.wait(now);
            return Vec::new();
        };
        if newest < next {
            self.wait(now);
            return Vec::new();
        }
        let known =
            |ts: SlotTs| closed.iter().rev().find(|bar| bar.ts() == ts).map(|bar| bar.get().bar);
        let reach = self.pace.catch_up_bars_max.min(self.pace.horizon_bars);
        let oldest = newest.plus(1 - reach);
        let slots: Vec<SlotTs> = (0..=newest.since(next)).map(|n| next.plus(n)).collect();
        let hole = slots.iter().any(|ts| *ts >= oldest && known(*ts).is_none());
        if hole && !self.confirming {
            self.confirming = true;
            self.retry_at = now.plus_ms(RETRY_FIRST_MS);
            return Vec::new();
        }
        self.settled();
        let first_start = self.last.is_none();
        let mut carry = Carry::into(next, self.pace.carry_bars_max, known);
        slots
            .into_iter()
            .take(self.left())
            .map(|ts| {
                let beyond = ts < oldest;
                let own = if beyond { None } else { known(ts) };
                let flat = carry.over(own, beyond);
                let bar = own.or(flat);
                let cause = self.pace.forced.or(bar.is_none().then_some(Degraded::BarMissing));
                let planned = self.planned(ts, bar, now, cause);
                let caught_up = planned.caught_up && !first_start;
                let remark = match (beyond, flat.is_some() && planned.bar.is_some()) {
                    (true, _) => Remark::Beyond,
                    (false, true) => Remark::Carried,
                    (false, false) => Remark::Plain,
                };
                Planned { caught_up, remark, ..planned }
            })
            .map(|planned| self.under_policy(planned))
            .collect()
    }

    fn under_policy(&self, planned: Planned) -> Planned {
        let cause = match (planned.caught_up && planned.degraded.is_none(), self.pace.catch_up) {
            (false, _) | (true, CatchUp::Replay) => planned.degraded,
            (true, CatchUp::Observe) => Some(Degraded::CatchupNoEntry),
            (true, CatchUp::Off) => Some(Degraded::Downtime),
        };
        Planned { degraded: cause, ..planned }
    }

    /// The fetch or the raw store failed: which slots are past their deadline and must be given up.
    /// Nothing is asked before `not_before`.
    pub fn failed(
        &mut self,
        now: UtcMs,
        cause: Degraded,
        not_before: Option<UtcMs>,
    ) -> Vec<Planned> {
        self.wait(now);
        self.retry_at = not_before.map_or(self.retry_at, |at| at.max(self.retry_at));
        let Some(last) = self.last else { return Vec::new() };
        let patience = self.pace.deadline_bars * self.pace.timeframe.ms();
        let waiting = now.get() - patience - last.ts_ms();
        (1..=waiting.div_euclid(self.pace.timeframe.ms()))
            .map(|n| last.plus(n))
            .take_while(|ts| self.pace.until.is_none_or(|until| *ts <= until))
            .take(self.left())
            .map(|ts| self.planned(ts, None, now, Some(cause)))
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
    ) -> Planned {
        let late_ms = now.get() - ts.ts_ms();
        let caught_up = late_ms >= self.pace.timeframe.ms() + self.pace.settle_ms;
        let held_back = degraded.is_some_and(Degraded::holds_bar_back);
        let bar = bar.filter(|_| !held_back);
        Planned { ts, bar, degraded, caught_up, remark: Remark::Plain }
    }

    fn wait(&mut self, now: UtcMs) {
        let pause = (RETRY_FIRST_MS << self.retries.min(10)).min(RETRY_MAX_MS);
        self.retries += 1;
        self.retry_at = now.plus_ms(pause);
    }

    fn settled(&mut self) {
        self.retries = 0;
        self.retry_at = UtcMs::EPOCH;
        self.confirming = false;
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

    fn at(n: i64, ms: i64) -> UtcMs {
        ts(n).close().plus_ms(ms)
    }

    fn closed(slots: &[i64]) -> Vec<ClosedBar> {
        let bar = Bar::new([1.0; 5]).unwrap();
        slots.iter().map(|n| ClosedBar::archived(TimedBar { ts: ts(*n), bar })).collect()
    }

    fn pace() -> Pace {
        Pace {
            timeframe: Timeframe::M1,
            blocks: Blocks::new(Timeframe::M1, 200, 12),
            settle_ms: 2_000,
            deadline_bars: 3,
            overlap_bars: 5,
            catch_up: CatchUp::Replay,
            catch_up_bars_max: 100,
            horizon_bars: 720,
            until: None,
            bars_max: None,
            forced: None,
            carry_bars_max: 0,
        }
    }

    fn names(planned: &[Planned]) -> Vec<(i64, Option<Degraded>)> {
        planned.iter().map(|p| (p.ts.since(ts(0)), p.degraded)).collect()
    }

    #[test]
    fn it_sleeps_to_the_boundary_plus_settle_then_asks_with_overlap() {
        let planner = Planner::new(pace(), Some(ts(10)), None, None);
        assert_eq!(planner.next(at(10, 500)), Act::Sleep(at(11, 2_000)));
        assert_eq!(planner.next(at(11, 2_000)), Act::Fetch(ts(6)));
    }

    #[test]
    fn a_first_start_looks_back_to_the_anchor_and_decides_only_the_newest() {
        let mut planner = Planner::new(pace(), None, None, None);
        let Act::Fetch(since) = planner.next(at(10, 0)) else { panic!("it must ask at once") };
        assert_eq!(since.open_ms(), pace().blocks.anchor_ms(ts(10)));
        assert_eq!(names(&planner.answered(at(10, 0), &closed(&[7, 8, 9, 10]))), [(10, None)]);
    }

    #[test]
    fn c8_missed_slots_come_in_order_before_the_newest() {
        for (mode, cause) in [
            (CatchUp::Replay, None),
            (CatchUp::Observe, Some(Degraded::CatchupNoEntry)),
            (CatchUp::Off, Some(Degraded::Downtime)),
        ] {
            let mut planner =
                Planner::new(Pace { catch_up: mode, ..pace() }, Some(ts(10)), None, None);
            let planned = planner.answered(at(13, 2_000), &closed(&[9, 10, 11, 12, 13]));
            assert_eq!(names(&planned), [(11, cause), (12, cause), (13, None)], "{mode:?}");
        }
    }

    #[test]
    fn a_hole_is_confirmed_by_asking_again_and_then_named() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None);
        assert!(planner.answered(at(13, 2_000), &closed(&[11, 13])).is_empty());
        assert_eq!(planner.next(at(13, 2_000)), Act::Sleep(at(13, 3_000)));
        let planned = planner.answered(at(13, 3_000), &closed(&[11, 13]));
        assert_eq!(names(&planned), [(11, None), (12, Some(Degraded::BarMissing)), (13, None)]);
    }

    #[test]
    fn a_window_that_ends_in_a_hole_ends_all_the_same() {
        let pace = Pace { until: Some(ts(12)), ..pace() };
        let mut planner = Planner::new(pace, Some(ts(10)), None, None);
        assert!(planner.answered(at(13, 2_000), &closed(&[11, 13])).is_empty());
        let planned = planner.answered(at(13, 3_000), &closed(&[11, 13]));
        assert_eq!(names(&planned), [(11, None), (12, Some(Degraded::BarMissing))]);
        let late = Planner::new(pace, None, None, None).answered(at(14, 0), &closed(&[10, 11, 14]));
        assert_eq!(names(&late), [(11, None)], "a first start decides a bar it has");
    }

    #[test]
    fn a_stale_answer_consumes_no_slot_and_is_asked_again_ever_more_slowly() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None);
        let mut now = at(11, 2_000);
        for pause in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert!(planner.answered(now, &closed(&[9, 10])).is_empty());
            assert_eq!(planner.next(now), Act::Sleep(now.plus_ms(pause)));
            now = now.plus_ms(pause);
        }
    }

    #[test]
    fn a_failed_fetch_consumes_no_slot_until_its_deadline() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None);
        assert!(planner.failed(at(11, 2_000), Degraded::FetchFailed, None).is_empty());
        assert!(planner.failed(at(13, 59_999), Degraded::FetchFailed, None).is_empty());
        let gone = Some(Degraded::FetchFailed);
        assert_eq!(names(&planner.failed(at(14, 0), Degraded::FetchFailed, None)), [(11, gone)]);
        assert_eq!(
            names(&planner.failed(at(15, 0), Degraded::FetchFailed, None)),
            [(11, gone), (12, gone)]
        );
    }

    #[test]
    fn a_venue_that_wants_to_be_left_alone_is_left_alone() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None);
        let until = at(11, 20_000);
        assert!(planner.failed(at(11, 2_000), Degraded::FetchFailed, Some(until)).is_empty());
        assert_eq!(planner.next(at(11, 3_000)), Act::Sleep(until));
    }

    #[test]
    fn the_last_close_is_carried_over_slots_without_a_trade_but_not_for_ever() {
        let pace = Pace { carry_bars_max: 2, ..pace() };
        let mut planner = Planner::new(pace, Some(ts(10)), None, None);
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
        let mut unknown = Planner::new(pace, Some(ts(10)), None, None);
        unknown.answered(at(12, 2_000), &closed(&[12]));
        let planned = unknown.answered(at(12, 3_000), &closed(&[12]));
        assert_eq!(names(&planned), [(11, Some(Degraded::BarMissing)), (12, None)]);
    }

    #[test]
    fn a_restart_inside_a_run_of_empty_slots_carries_on() {
        let pace = Pace { carry_bars_max: 2, overlap_bars: 0, ..pace() };
        for (last, expected) in [
            (10, vec![(11, None), (12, None), (13, Some(Degraded::BarMissing)), (14, None)]),
            (11, vec![(12, None), (13, Some(Degraded::BarMissing)), (14, None)]),
            (12, vec![(13, Some(Degraded::BarMissing)), (14, None)]),
        ] {
            let mut planner = Planner::new(pace, Some(ts(last)), None, None);
            let Act::Fetch(since) = planner.next(at(14, 2_000)) else { panic!("it is due") };
            let mut shown = vec![9, 10, 14];
            shown.retain(|n| ts(*n) >= since);
            planner.answered(at(14, 2_000), &closed(&shown));
            let planned = planner.answered(at(14, 3_000), &closed(&shown));
            assert_eq!(names(&planned), expected, "after {last}");
        }
    }

    #[test]
    fn a_clock_that_has_yet_to_reach_the_last_slot_does_not_keep_the_loop_from_asking() {
        let mut planner = Planner::new(pace(), Some(ts(130)), None, None);
        assert_eq!(planner.next(at(10, 0)), Act::Fetch(ts(126)));
        assert!(planner.answered(at(10, 0), &[]).is_empty());
        assert_eq!(
            planner.next(at(10, 0)),
            Act::Sleep(at(10, 1_000)),
            "it is not asked in a hurry"
        );
        assert_eq!(planner.next(at(10, 1_000)), Act::Fetch(ts(126)));
        let forced = Pace { forced: Some(Degraded::FetchFailed), ..pace() };
        let drill = Planner::new(forced, Some(ts(130)), None, None);
        assert_eq!(drill.next(at(10, 0)), Act::Sleep(at(131, 2_000)), "nobody is asked");
        let recording = Planner::new(pace(), Some(ts(130)), None, Some(at(200, 0)));
        assert_eq!(recording.next(at(10, 0)), Act::Sleep(at(131, 2_000)), "it has its own time");
    }

    #[test]
    fn no_more_slots_are_decided_than_wanted_however_many_an_answer_brings() {
        let pace = Pace { bars_max: Some(2), ..pace() };
        let mut planner = Planner::new(pace, Some(ts(10)), None, None);
        assert_eq!(
            names(&planner.answered(at(14, 2_000), &closed(&[11, 12, 13, 14]))),
            [(11, None), (12, None)]
        );
        planner.decided(ts(11), None);
        let gone = Some(Degraded::FetchFailed);
        assert_eq!(names(&planner.failed(at(19, 0), Degraded::FetchFailed, None)), [(12, gone)]);
    }

    #[test]
    fn a_held_bar_is_asked_for_again() {
        let mut planner = Planner::new(pace(), Some(ts(10)), None, None);
        planner.decided(ts(11), Some(ts(11)));
        planner.decided(ts(12), Some(ts(11)));
        assert_eq!(planner.next(at(13, 2_000)), Act::Fetch(ts(6)));
    }

    #[test]
    fn what_lies_beyond_the_horizon_is_named_missing_and_halts() {
        let mut planner =
            Planner::new(Pace { catch_up_bars_max: 2, ..pace() }, Some(ts(10)), None, None);
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
        let planner = Planner::new(Pace { forced, ..pace() }, Some(ts(10)), None, None);
        let Act::Decide(planned) = planner.next(at(11, 2_000)) else { panic!("no question asked") };
        assert_eq!(names(&planned), [(11, forced)]);
    }

    #[test]
    fn it_ends_with_the_window_the_count_or_the_feed() {
        let window = Planner::new(Pace { until: Some(ts(10)), ..pace() }, Some(ts(10)), None, None);
        assert_eq!(window.next(at(10, 0)), Act::Done(Ended::Window));
        let mut counted =
            Planner::new(Pace { bars_max: Some(1), ..pace() }, Some(ts(10)), None, None);
        counted.decided(ts(11), None);
        assert_eq!(counted.next(at(11, 0)), Act::Done(Ended::MaxBars));
        let feed = Planner::new(pace(), Some(ts(10)), None, Some(at(10, 0)));
        assert_eq!(feed.next(at(11, 2_000)), Act::Fetch(ts(6)));
        assert_eq!(feed.next(at(11, 2_001)), Act::Done(Ended::Feed));
    }
}
