//! The live loop: carries out the planner's acts on a feed, a clock and a session. No decision is made here.

use std::collections::BTreeSet;

use thiserror::Error;

use super::{
    plan::{EndReason, Failed, LoopPace, NextAct, PlannedSlot, Planner, Remark},
    signal_wait::wait_for_signals,
};
use crate::{
    clock::Clock,
    domain::{
        bar::{BadRow, Bar, Closed, ClosedBar, TimedBar},
        command::{Command, CommandKind},
        decision::{Decision, Degraded, TradeEvent},
        ids::RunId,
        time::{Now, SlotTs, Steady, UtcMs, Window},
    },
    exchange::{
        feed::{Feed, FeedError, Heard},
        venue::answer::FaultClass,
    },
    jobs::commands::{DecidedSlots, append_command, enter},
    session::{
        error::SessionError,
        live::{DecisionTiming, Session},
        origin::WarmupSeen,
    },
    store::{
        disk::Disk,
        error::StoreError,
        lock::LockGate,
        raw::{PutReport, RawStore},
        rows::signals::SlotOrigin,
    },
};

/// A venue's clock that is further ahead of ours, or behind, is followed. What is less may be the way of its answers.
const SKEW_MS_MIN: i64 = 2_000;
/// A skew that changed by this much is told again.
const SKEW_MS_TOLD: i64 = 60_000;
/// Longest sleep in front of a venue before the time of day is looked at again: it may have been set meanwhile, milliseconds.
const LOOK_MS: i64 = 30_000;
/// Bad rows that are remembered as told. An answer reaches a few slots back each time, and brings them again.
const TOLD_MAX: usize = 1_000;

/// How a loop ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopEnd {
    /// By itself.
    Ended(EndReason),
    /// Told to stop; the slot in work was finished.
    Stopped,
}

/// What ends a loop with an error.
#[derive(Debug, Error)]
pub enum LoopError {
    /// The session is over.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The raw store or the commands ledger is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The very first question is one that the venue can never answer.
    #[error(transparent)]
    Refused(FeedError),
}

/// What came of one question to the feed.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'e> {
    /// When its answer came, by the clock of the loop.
    pub at: UtcMs,
    /// When it was asked, by the time of the venue as it is known now.
    pub asked: Now,
    /// How far the venue's clock is ahead of ours, as far as it is known.
    pub skew_ms: Option<i64>,
    /// The newest closed slot of the answer.
    pub newest: Option<SlotTs>,
    /// Why there was no answer.
    pub error: Option<&'e FeedError>,
}

/// A slot that was decided, and is durable.
#[derive(Debug, Clone, Copy)]
pub struct DecidedSlot<'s> {
    /// Its row.
    pub decision: &'s Decision,
    /// Why it was decided then.
    pub origin: SlotOrigin,
    /// What was filled in its bar, or in bars that came late.
    pub events: &'s [TradeEvent],
    /// The commands of the tag, obeyed or not.
    pub commands: &'s [Command],
    /// The slot before it; `None` for the first one of a ledger.
    pub before: Option<SlotTs>,
    /// Whether an answer of the venue led to it.
    pub is_answered: bool,
}

/// Something an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoopEvent {
    /// It happened once.
    Once(String),
    /// It goes on, and is said again now and then.
    Still(LoopTrouble, String),
    /// It is over, if it went on.
    Over(LoopTrouble),
}

/// What can go on for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoopTrouble {
    /// The disk takes no bars.
    Store,
    /// The disk shows no bars.
    Load,
    /// Another process holds the commands ledger.
    Gate,
}

/// Sees what a loop does. Nothing that it does changes what the loop does.
pub trait Watcher {
    /// A turn of the loop begins.
    fn turn(&mut self, now: Now);

    /// A question to the feed came to something.
    fn fetched(&mut self, fetched: &Fetched<'_>);

    /// A slot was decided.
    fn settled(&mut self, slot: &DecidedSlot<'_>);

    /// An operator should know this.
    fn say(&mut self, word: LoopEvent);
}

/// What a loop runs on.
pub struct LoopContext<'a, D: Disk, F: Feed, C: Clock> {
    /// Where the bars come from.
    pub feed: &'a mut F,
    /// What time it is.
    pub clock: &'a C,
    /// The raw store of the series; its lock is held.
    pub raw: RawStore<'a, D>,
    /// Keeps operators from giving a command while slots are being decided.
    pub commands_gate: Option<&'a LockGate>,
    pub stopped: &'a dyn Fn() -> bool,
    /// Sees all of it.
    pub watcher: &'a mut dyn Watcher,
    pub run_id: RunId,
    /// A slot that is not later than the last one is left out with a warning instead of ending the loop.
    pub skip_not_later: bool,
}

/// Runs until the planner ends it, it is asked to stop, or the session fails.
pub fn run<D: Disk, F: Feed, C: Clock>(
    pace: LoopPace,
    session: &mut Session<'_, D>,
    on: &mut LoopContext<'_, D, F, C>,
) -> Result<LoopEnd, LoopError> {
    let held = session.held().first().copied();
    let mut planner = Planner::new(pace, session.last(), held, on.feed.ends(), on.clock.steady());
    let mut told = Announced::default();
    let mut first_start = session.last().is_none();
    loop {
        if (on.stopped)() {
            return Ok(LoopEnd::Stopped);
        }
        let now = on.now(&planner);
        on.watcher.turn(now);
        match planner.next(now) {
            NextAct::Done(ended) => return Ok(LoopEnd::Ended(ended)),
            NextAct::Sleep(until) => {
                session.keep_watch(false);
                on.sleep_until(now.up, until);
            }
            NextAct::Decide(planned) => {
                let taken = Taken { planned, seen_at: now.at, is_answered: false };
                decide(&mut planner, session, on, taken)?;
            }
            NextAct::Fetch(since) => {
                let fetched = on.feed.fetch(since, now.at).map(ClosedBar::from_answer);
                if (on.stopped)() {
                    return Ok(LoopEnd::Stopped);
                }
                // A venue in trouble says such things too: only a question that was never answered can be a wrong one.
                let fetched = match fetched {
                    Err(error) if error.class == FaultClass::Config && first_start => {
                        return Err(LoopError::Refused(error));
                    }
                    fetched => fetched,
                };
                on.tell(&planner, now.up, fetched.as_ref());
                told.skew_ms = on.tell_skew(told.skew_ms);
                first_start &= fetched.is_err();
                let taken = take(&mut planner, pace, (fetched, now.up), &mut told, on)?;
                decide(&mut planner, session, on, taken)?;
            }
        }
    }
}

/// The slots to decide now.
struct Taken {
    planned: Vec<PlannedSlot>,
    /// When what is known of them was seen.
    seen_at: UtcMs,
    /// Whether the venue answered.
    is_answered: bool,
}

/// What was said, and is not said again.
#[derive(Default)]
struct Announced {
    skew_ms: i64,
    bad: BTreeSet<(Option<SlotTs>, String)>,
}

impl Announced {
    /// The rows that are not bars and were not said to be.
    fn unsaid(&mut self, bad: &[BadRow]) -> Vec<String> {
        if self.bad.len() > TOLD_MAX {
            self.bad.clear();
        }
        // The number of a row changes from answer to answer.
        let text = |row: &BadRow| row.why.split_once(": ").map_or("", |(_, why)| why).to_owned();
        let is_new = |row: &&BadRow| self.bad.insert((row.ts, text(row)));
        bad.iter().filter(is_new).map(|row| row.why.clone()).collect()
    }
}

impl<D: Disk, F: Feed, C: Clock> LoopContext<'_, D, F, C> {
    /// The time of the venue, as far as it is known: a clock that is wrong by hours must not make slots late that are not.
    fn now(&self, planner: &Planner) -> Now {
        let (at, up) = (self.clock.now(), self.clock.steady());
        let now = Now { at: at.plus_ms(self.skew_ms(at, up)), up };
        if self.feed.heard(up).is_none() && self.feed.ends().is_none() {
            planner.reckoned(now)
        } else {
            now
        }
    }

    /// Sleeps until the steady clock shows `until`, or so long that the time should be looked at again.
    fn sleep_until(&self, up: Steady, until: Steady) {
        let until = if self.feed.ends().is_none() { until.min(up.plus_ms(LOOK_MS)) } else { until };
        self.clock.sleep_until(until, self.stopped);
    }

    /// Tells what came of a question that was asked at `asked`.
    fn tell(&mut self, planner: &Planner, asked: Steady, fetched: Result<&Closed, &FeedError>) {
        let (at, up) = (self.clock.now(), self.clock.steady());
        let sure = self.feed.heard(up).filter(|heard| heard.is_sure);
        let now = self.now(planner);
        let asked = Now { at: now.at.plus_ms(-now.up.since(asked)), up: asked };
        self.watcher.fetched(&Fetched {
            at,
            asked,
            skew_ms: sure.map(|heard| ahead_ms(heard, at)),
            newest: fetched.ok().and_then(|closed| closed.newest),
            error: fetched.err(),
        });
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.watcher.say(LoopEvent::Once(text.into()));
    }

    /// Warns of a skew that is new, or far from the one told of last, and returns the one told of.
    fn tell_skew(&mut self, told_ms: i64) -> i64 {
        let skew_ms = self.skew_ms(self.clock.now(), self.clock.steady());
        let is_new = told_ms == 0 && skew_ms != 0;
        if !is_new && (skew_ms - told_ms).abs() < SKEW_MS_TOLD {
            return told_ms;
        }
        if skew_ms == 0 {
            self.warn("the clock of this machine agrees with the venue's again");
            return skew_ms;
        }
        let (seconds, side) = (skew_ms.abs() / 1000, if skew_ms > 0 { "behind" } else { "ahead" });
        self.warn(format!(
            "the clock of this machine is {seconds} s {side} of the venue's, and the loop follows the venue: check the time synchronisation"
        ));
        skew_ms
    }

    fn skew_ms(&self, at: UtcMs, up: Steady) -> i64 {
        let skew_ms = self.feed.heard(up).map(|heard| ahead_ms(heard, at));
        skew_ms.filter(|ms| ms.abs() >= SKEW_MS_MIN).unwrap_or(0)
    }
}

fn ahead_ms(heard: Heard, at: UtcMs) -> i64 {
    heard.at.get() - at.get()
}

/// Makes the closed bars of an answer to a question of `asked` durable. Returns the slots to decide, and when the answer came.
fn take<D: Disk, F: Feed, C: Clock>(
    planner: &mut Planner,
    pace: LoopPace,
    (fetched, asked): (Result<Closed, FeedError>, Steady),
    told: &mut Announced,
    on: &mut LoopContext<'_, D, F, C>,
) -> Result<Taken, LoopError> {
    let now = on.now(planner);
    if let Some(heard) = on.feed.heard(now.up).filter(|heard| heard.is_sure) {
        planner.set_sure(Now { at: heard.at, up: now.up });
    }
    let failed = |cause, pause_ms| Failed { asked, cause, pause_ms };
    let persist_failed = failed(Degraded::PersistFailed, None);
    let taken = |planned, is_answered| Ok(Taken { planned, seen_at: now.at, is_answered });
    let mut closed = match fetched {
        Ok(closed) => closed,
        Err(error) => {
            let failed = failed(Degraded::FetchFailed, error.pause_ms);
            let given_up = planner.failed(now, failed);
            return taken(stored_after_all(planner, given_up, on)?, false);
        }
    };
    for why in told.unsaid(&closed.bad) {
        on.warn(format!("{}: a row is left out, its slot has no bar: {why}", on.raw.series()));
    }
    if let Some(newest) = closed.newest {
        planner.learn(Now { at: newest.close(), up: now.up });
    }
    if pace.forced == Some(Degraded::PersistFailed) {
        return taken(planner.answered(now, &closed), true);
    }
    match store(&closed.bars, now.at, on)? {
        Some(report) if report.replaced + report.filled > 0 => on.warn(format!(
            "the venue changed {} and filled in {} bars it had shown before; decided slots stay as they are",
            report.replaced, report.filled
        )),
        Some(_) => {}
        None => return taken(planner.failed(now, persist_failed), true),
    }
    complete(&mut closed, planner, pace, on)?;
    let planned = planner.answered(now, &closed);
    let carried = planned
        .iter()
        .filter(|one| one.remark == Remark::Carried)
        .filter_map(|one| one.bar.map(|bar| ClosedBar::archived(TimedBar { ts: one.ts, bar })));
    let carried: Vec<ClosedBar> = carried.collect();
    if !carried.is_empty() {
        tracing::info!("no trade in {} slots: the last close is carried", carried.len());
        if store(&carried, now.at, on)?.is_none() {
            return taken(planner.failed(now, persist_failed), true);
        }
    }
    taken(planned, true)
}

/// Adds what an earlier answer brought, or an import, and this one leaves out: a bar that was seen is there.
fn complete<D: Disk, F: Feed, C: Clock>(
    closed: &mut Closed,
    planner: &Planner,
    pace: LoopPace,
    on: &mut LoopContext<'_, D, F, C>,
) -> Result<(), LoopError> {
    let wanted = closed.newest.and_then(|newest| planner.wants(newest));
    let Some((first, last)) = wanted else { return Ok(()) };
    let shown: BTreeSet<SlotTs> = closed.bars.iter().map(ClosedBar::ts).collect();
    if shown.range(first..=last).count() as i64 == last.since(first) + 1 {
        return Ok(());
    }
    let mut stored = stored(first, last, on)?;
    // On a venue that leaves bars out, one without a trade is a close that was carried, and not one to carry on from.
    stored.retain(|bar| pace.carry_bars_max == 0 || bar.bar.volume() > 0.0);
    closed
        .bars
        .extend(stored.into_iter().filter(|bar| !shown.contains(&bar.ts)).map(ClosedBar::archived));
    closed.bars.sort_by_key(ClosedBar::ts);
    Ok(())
}

/// Of slots that are to be given up, those whose bar is in the store are decided with it.
fn stored_after_all<D: Disk, F: Feed, C: Clock>(
    planner: &Planner,
    given_up: Vec<PlannedSlot>,
    on: &mut LoopContext<'_, D, F, C>,
) -> Result<Vec<PlannedSlot>, LoopError> {
    let ends = given_up.first().zip(given_up.last());
    let Some((first, last)) = ends.map(|(first, last)| (first.ts, last.ts)) else {
        return Ok(given_up);
    };
    let stored = stored(first, last, on)?;
    let bar = |ts: SlotTs| bar_of(&stored, ts);
    let after_all = |one: PlannedSlot| bar(one.ts).map_or(one, |bar| planner.found(one, bar));
    Ok(given_up.into_iter().map(after_all).collect())
}

/// The stored bars of these slots. A disk that cannot be read now has none.
fn stored<D: Disk, F: Feed, C: Clock>(
    first: SlotTs,
    last: SlotTs,
    on: &mut LoopContext<'_, D, F, C>,
) -> Result<Vec<TimedBar>, LoopError> {
    let window = Window::new(first, last).expect("the first is not later than the last");
    match on.raw.load_window(window) {
        Ok(bars) => {
            on.watcher.say(LoopEvent::Over(LoopTrouble::Load));
            Ok(bars)
        }
        Err(error) if error.is_io() => {
            let text = format!("bars could not be read: {error}");
            on.watcher.say(LoopEvent::Still(LoopTrouble::Load, text));
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

fn bar_of(stored: &[TimedBar], ts: SlotTs) -> Option<Bar> {
    stored.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|at| stored[at].bar)
}

/// Makes bars durable. Damage ends the loop; `None` from a disk that refuses them, since it may recover.
fn store<D: Disk, F: Feed, C: Clock>(
    bars: &[ClosedBar],
    seen_at: UtcMs,
    on: &mut LoopContext<'_, D, F, C>,
) -> Result<Option<PutReport>, LoopError> {
    match on.raw.put(bars, seen_at) {
        Ok(report) => {
            on.watcher.say(LoopEvent::Over(LoopTrouble::Store));
            Ok(Some(report))
        }
        // After a failed sync the store refuses everything: only a restart, which reads what is there, can help.
        Err(error) if error.is_io() && !matches!(error, StoreError::Poisoned { .. }) => {
            let text = format!("bars could not be stored: {error}");
            on.watcher.say(LoopEvent::Still(LoopTrouble::Store, text));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Halts the series where slots lie too far back to be caught up. The caller is inside the gate.
fn halt_beyond<D: Disk, F: Feed, C: Clock>(
    planned: &[PlannedSlot],
    session: &Session<'_, D>,
    on: &mut LoopContext<'_, D, F, C>,
) -> Result<(), LoopError> {
    let place = session.place();
    if let Some(beyond) = planned.iter().find(|one| one.remark == Remark::Beyond) {
        let reason = "missed slots lie beyond the catch-up horizon";
        on.warn(format!(
            "{reason}: from {} on they are bar_missing, and the series is halted",
            beyond.ts
        ));
        // Another series of the tag may have decided more: what it has decided cannot be halted any more.
        let decided = DecidedSlots::of(place.disk, place.layout, &place.tag)?;
        let halt = Command {
            at: beyond.ts.close().max(decided.earliest()),
            order: CommandKind::Halt,
            reason: reason.to_owned(),
            who: "live".to_owned(),
        };
        append_command(place.disk, place.layout, &place.tag, &halt, on.clock.now())?;
    }
    Ok(())
}

fn decide<D: Disk, F: Feed, C: Clock>(
    planner: &mut Planner,
    session: &mut Session<'_, D>,
    on: &mut LoopContext<'_, D, F, C>,
    Taken { planned, seen_at, is_answered }: Taken,
) -> Result<(), LoopError> {
    let Some(first) = planned.first() else { return Ok(()) };
    let warn = &mut |text: String| on.watcher.say(LoopEvent::Once(text));
    if !wait_for_signals(session, on.clock, &planned, on.stopped, warn) {
        return Ok(());
    }
    // From reading the commands until the slots are decided nobody may give one that is dated before the last of them.
    let gate = on.commands_gate;
    let inside = gate.map(enter).transpose()?.flatten();
    if gate.is_some() && inside.is_none() {
        let text =
            "another process holds the commands ledger for long: the loop goes on without it";
        on.watcher.say(LoopEvent::Still(LoopTrouble::Gate, text.to_owned()));
    } else {
        on.watcher.say(LoopEvent::Over(LoopTrouble::Gate));
    }
    halt_beyond(&planned, session, on)?;
    session.learn()?;
    if session.last().is_none() {
        let blocks = session.engine().core().blocks(first.ts.timeframe());
        let anchor_day = UtcMs::EPOCH.plus_ms(blocks.anchor_ms(first.ts)).day();
        let mut warm_up = on.raw.load(anchor_day, first.ts.open_day())?;
        warm_up.retain(|bar| bar.ts < first.ts);
        let born = WarmupSeen { at: seen_at, revisions: Some(on.raw.revisions()?.len()) };
        session.begin(first.ts, &warm_up, born)?;
    }
    // A bar that was held back is taken from the store: an answer may leave out what an earlier one brought.
    let stored = match session.held().first() {
        Some(oldest) if planned.iter().any(|one| one.bar.is_some()) => {
            on.raw.load(oldest.open_day(), first.ts.open_day())?
        }
        Some(_) | None => Vec::new(),
    };
    let late = |ts: SlotTs| bar_of(&stored, ts);
    for one in planned {
        let cause = match (one.degraded, one.caught_up) {
            (Some(_), _) => SlotOrigin::Degraded,
            (None, true) => SlotOrigin::Catchup,
            (None, false) => SlotOrigin::Live,
        };
        let stamp = DecisionTiming { cause, seen_at, run_id: on.run_id.clone() };
        let before = session.last();
        let decision = match session.decide((one.ts, one.bar, one.degraded), late, stamp) {
            Err(SessionError::NotLater(error)) if on.skip_not_later => {
                on.warn(error.to_string());
                continue;
            }
            decided => decided?,
        };
        planner.decided(one.ts, session.held().first().copied());
        on.watcher.settled(&DecidedSlot {
            decision: &decision,
            origin: cause,
            events: session.events(),
            commands: session.commands(),
            before,
            is_answered,
        });
        if (on.stopped)() {
            break;
        }
    }
    Ok(())
}
