//! The live loop: carries out the planner's acts on a feed, a clock and a session. No decision is made here.

use thiserror::Error;

use super::plan::{Act, Ended, Pace, Planned, Planner, Remark};
use crate::{
    clock::Clock,
    domain::{
        bar::{ClosedBar, TimedBar},
        command::{Command, Order},
        decision::{Decision, Degraded},
        ids::RunId,
        time::{SlotTs, UtcMs},
    },
    engine::strategy::Strategy,
    exchange::{
        feed::{Feed, FeedError},
        venue::answer::Class,
    },
    jobs::commands::{Decided, append_command, enter},
    session::{
        card::Born,
        error::SessionError,
        live::{Session, Stamp},
        record::{durable_commands, read_commands},
    },
    store::{
        disk::Disk,
        error::StoreError,
        lock::Gate,
        raw::{PutReport, RawStore},
        rows::timing::Origin,
    },
};

/// A venue's clock that is further ahead of ours, or behind, is followed. What is less may be the way of its answers.
const SKEW_MS_MIN: i64 = 2_000;
/// A skew that changed by this much is told again.
const SKEW_MS_TOLD: i64 = 60_000;

/// How a loop ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// By itself.
    Ended(Ended),
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
    /// How far the venue's clock is ahead of ours, as far as it is known.
    pub skew_ms: Option<i64>,
    /// Why there was no answer.
    pub error: Option<&'e FeedError>,
}

/// What a loop runs on.
pub struct Surroundings<'a, D: Disk, F: Feed, C: Clock> {
    /// Where the bars come from.
    pub feed: &'a mut F,
    /// What time it is.
    pub clock: &'a C,
    /// The raw store of the series; its lock is held.
    pub raw: RawStore<'a, D>,
    /// Keeps operators from giving a command while slots are being decided.
    pub commands_gate: Option<&'a Gate>,
    /// Whether to stop.
    pub stopped: &'a dyn Fn() -> bool,
    /// Told of every decision, after it is durable.
    pub decided: &'a mut dyn FnMut(&Decision, Origin),
    /// Told of every question to the feed.
    pub fetched: &'a mut dyn FnMut(Fetched<'_>),
    /// Told of everything an operator should know.
    pub warn: &'a mut dyn FnMut(String),
    /// This run.
    pub run_id: RunId,
    /// This build.
    pub build: &'a str,
    /// A slot that is not later than the last one is left out with a warning instead of ending the loop.
    pub skip_not_later: bool,
}

/// Runs until the planner ends it, it is told to stop, or the session fails.
pub fn run<S: Strategy, D: Disk, F: Feed, C: Clock>(
    pace: Pace,
    session: &mut Session<'_, S, D>,
    on: &mut Surroundings<'_, D, F, C>,
) -> Result<Outcome, LoopError> {
    let held = session.held().first().copied();
    let mut planner = Planner::new(pace, session.last(), held, on.feed.ends());
    let (mut answered, mut told_skew_ms) = (false, 0);
    loop {
        if (on.stopped)() {
            return Ok(Outcome::Stopped);
        }
        let now = on.now();
        match planner.next(now) {
            Act::Done(ended) => return Ok(Outcome::Ended(ended)),
            Act::Sleep(until) => on.sleep_until(until),
            Act::Decide(planned) => decide(&mut planner, session, on, planned, now)?,
            Act::Fetch(since) => {
                let fetched = on.feed.fetch(since, now);
                if (on.stopped)() {
                    return Ok(Outcome::Stopped);
                }
                let (at, skew_ms) = (on.clock.now(), on.feed.skew_ms());
                (on.fetched)(Fetched { at, skew_ms, error: fetched.as_ref().err() });
                let (planned, seen_at) = match fetched {
                    Err(error) if error.class == Class::Config && !answered => {
                        return Err(LoopError::Refused(error));
                    }
                    fetched => take(&mut planner, pace, fetched, on)?,
                };
                answered |= !planned.is_empty();
                told_skew_ms = on.tell_skew(told_skew_ms);
                decide(&mut planner, session, on, planned, seen_at)?;
            }
        }
    }
}

impl<D: Disk, F: Feed, C: Clock> Surroundings<'_, D, F, C> {
    /// The time of the venue, as far as it is known: a clock that is wrong by hours must not make slots late that are not.
    fn now(&self) -> UtcMs {
        self.clock.now().plus_ms(self.skew_ms())
    }

    /// Sleeps until it is `at` for the venue.
    fn sleep_until(&self, at: UtcMs) {
        self.clock.sleep_until(at.plus_ms(-self.skew_ms()), self.stopped);
    }

    /// Warns of a skew that is new, or far from the one told of last, and returns the one told of.
    fn tell_skew(&mut self, told_ms: i64) -> i64 {
        let skew_ms = self.skew_ms();
        let is_new = told_ms == 0 && skew_ms != 0;
        if !is_new && (skew_ms - told_ms).abs() < SKEW_MS_TOLD {
            return told_ms;
        }
        let (seconds, side) = (skew_ms.abs() / 1000, if skew_ms > 0 { "behind" } else { "ahead" });
        (self.warn)(format!(
            "the clock of this machine is {seconds} s {side} of the venue's, whose time is followed: check its time synchronisation"
        ));
        skew_ms
    }

    fn skew_ms(&self) -> i64 {
        self.feed.skew_ms().filter(|ms| ms.abs() >= SKEW_MS_MIN).unwrap_or(0)
    }
}

/// Makes the closed bars of an answer durable. Returns the slots to decide, and when the answer came.
fn take<D: Disk, F: Feed, C: Clock>(
    planner: &mut Planner,
    pace: Pace,
    fetched: Result<Vec<TimedBar>, FeedError>,
    on: &mut Surroundings<'_, D, F, C>,
) -> Result<(Vec<Planned>, UtcMs), LoopError> {
    let seen_at = on.now();
    let closed = match fetched {
        Ok(answer) => ClosedBar::from_answer(answer),
        Err(error) => {
            (on.warn)(error.to_string());
            let retry_at = error.retry_at.map(|at| at.plus_ms(on.skew_ms()));
            return Ok((planner.failed(seen_at, Degraded::FetchFailed, retry_at), seen_at));
        }
    };
    let persist_failed =
        |planner: &mut Planner| planner.failed(seen_at, Degraded::PersistFailed, None);
    if pace.forced == Some(Degraded::PersistFailed) {
        return Ok((planner.answered(seen_at, &closed), seen_at));
    }
    match store(&closed, seen_at, on)? {
        Some(report) if report.replaced + report.filled > 0 => (on.warn)(format!(
            "the venue changed {} and filled in {} bars it had shown before; decided slots stay as they are",
            report.replaced, report.filled
        )),
        Some(_) => {}
        None => return Ok((persist_failed(planner), seen_at)),
    }
    let planned = planner.answered(seen_at, &closed);
    let carried = planned
        .iter()
        .filter(|one| one.remark == Remark::Carried)
        .filter_map(|one| one.bar.map(|bar| ClosedBar::archived(TimedBar { ts: one.ts, bar })));
    let carried: Vec<ClosedBar> = carried.collect();
    if !carried.is_empty() {
        tracing::info!("nobody traded in {} slots: the last close is carried", carried.len());
        if store(&carried, seen_at, on)?.is_none() {
            return Ok((persist_failed(planner), seen_at));
        }
    }
    Ok((planned, seen_at))
}

/// Makes bars durable. Damage ends the loop; `None` from a disk that refuses them, since it may recover.
fn store<D: Disk, F: Feed, C: Clock>(
    bars: &[ClosedBar],
    seen_at: UtcMs,
    on: &mut Surroundings<'_, D, F, C>,
) -> Result<Option<PutReport>, LoopError> {
    match on.raw.put(bars, seen_at) {
        Ok(report) => Ok(Some(report)),
        // After a failed sync the store refuses everything: only a restart, which reads what is there, can help.
        Err(error) if error.is_io() && !matches!(error, StoreError::Poisoned { .. }) => {
            (on.warn)(format!("bars could not be stored: {error}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn decide<S: Strategy, D: Disk, F: Feed, C: Clock>(
    planner: &mut Planner,
    session: &mut Session<'_, S, D>,
    on: &mut Surroundings<'_, D, F, C>,
    planned: Vec<Planned>,
    seen_at: UtcMs,
) -> Result<(), LoopError> {
    let Some(first) = planned.first() else { return Ok(()) };
    // From reading the commands until the slots are decided nobody may give one that is dated before the last of them.
    let gate = on.commands_gate;
    let inside = gate.map(enter).transpose()?.flatten();
    if gate.is_some() && inside.is_none() {
        (on.warn)("somebody holds the commands ledger for long; going on without it".to_owned());
    }
    let place = session.place();
    if let Some(beyond) = planned.iter().find(|one| one.remark == Remark::Beyond) {
        let reason = "missed slots lie beyond the catch-up horizon";
        (on.warn)(format!(
            "{reason}: from {} on they are bar_missing, and the series is halted",
            beyond.ts
        ));
        // Another series of the tag may have decided more: what it has decided cannot be halted any more.
        let decided = Decided::of(place.disk, place.layout, &place.tag)?;
        let halt = Command {
            at: beyond.ts.close().max(decided.earliest()),
            order: Order::Halt,
            reason: reason.to_owned(),
            who: "live".to_owned(),
        };
        append_command(place.disk, place.layout, &place.tag, &halt, on.clock.now())?;
    }
    let mut commands = read_commands(place.disk, place.layout, &place.tag)?;
    if commands != session.commands() {
        commands = durable_commands(place.disk, place.layout, &place.tag)?;
    }
    session.learn(commands)?;
    if session.last().is_none() {
        let blocks = session.engine().core().blocks(first.ts.timeframe());
        let anchor_day = UtcMs::EPOCH.plus_ms(blocks.anchor_ms(first.ts)).day();
        let mut warm_up = on.raw.load(anchor_day, first.ts.open_day())?;
        warm_up.retain(|bar| bar.ts < first.ts);
        let born = Born { at: seen_at, revisions: Some(on.raw.revisions()?.len()) };
        session.begin(first.ts, &warm_up, born, on.build)?;
    }
    // A bar that was held back is taken from the store: an answer may leave out what an earlier one brought.
    let stored = match session.held().first() {
        Some(oldest) if planned.iter().any(|one| one.bar.is_some()) => {
            on.raw.load(oldest.open_day(), first.ts.open_day())?
        }
        Some(_) | None => Vec::new(),
    };
    let late =
        |ts: SlotTs| stored.binary_search_by_key(&ts, |bar| bar.ts).ok().map(|at| stored[at].bar);
    for one in planned {
        let cause = match (one.degraded, one.caught_up) {
            (Some(_), _) => Origin::Degraded,
            (None, true) => Origin::Catchup,
            (None, false) => Origin::Live,
        };
        let stamp = Stamp { cause, seen_at, run_id: on.run_id.clone() };
        let decision = match session.decide((one.ts, one.bar, one.degraded), late, stamp) {
            Err(SessionError::NotLater(error)) if on.skip_not_later => {
                (on.warn)(error.to_string());
                continue;
            }
            decided => decided?,
        };
        planner.decided(one.ts, session.held().first().copied());
        (on.decided)(&decision, cause);
        if (on.stopped)() {
            break;
        }
    }
    Ok(())
}
