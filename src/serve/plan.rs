//! Which slots are due and what becomes of each: a pure function of what is decided and what time it is.

use std::collections::VecDeque;

use crate::{
    domain::{cadence::Cadence, time::UtcMs},
    manifest::{Backlog, Due, Overlap, Schedule, StartOn},
    store::runs::Decided,
};

/// A slot that is found longer than this after it was due is late: the service was down or the machine stood still.
pub const LATE_MS: i64 = 60_000;
/// Most missed slots that are decided in one step; the rest follows in the next one.
const MISSED_MAX: usize = 5_000;

/// What is known when slots are decided.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The time.
    pub now: UtcMs,
    /// How much later than due this schedule starts.
    pub delay_ms: i64,
    /// Which start of the machine this is.
    pub boot: &'a str,
    /// Whether this schedule has not been asked since the service started.
    pub event: Event,
    /// Whether a run of this schedule goes on, or waits.
    pub load: Load,
    /// Whether its job is paused.
    pub gate: Gate,
}

/// Whether the service has just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It has.
    Begins,
    /// It goes on.
    GoesOn,
}

/// Whether a run of a schedule goes on, or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// None does.
    Free,
    /// One does.
    Busy,
}

/// Whether a job may be started by its schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// It is paused.
    Paused,
}

/// What becomes of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is run.
    Run,
    /// It is run after all, although it is late.
    CatchUp,
    /// Nobody was there, and it is too late.
    Missed,
    /// The slot before still runs.
    Overlap,
    /// A newer slot takes its place.
    Superseded,
    /// Its job is paused.
    Paused,
}

/// Slots and what becomes of them, to be recorded together with how far it was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Up to where.
    pub decided: Decided,
    /// The slots, in order.
    pub slots: Vec<(UtcMs, Verdict)>,
}

/// Decides the slots of a schedule that became due; `None` when there is nothing to record.
pub fn plan(schedule: &Schedule, known: Option<&Decided>, view: &View<'_>) -> Option<Plan> {
    let fingerprint = schedule.due.fingerprint();
    match &schedule.due {
        Due::At(cadence) => {
            let Some(known) = known.filter(|known| known.fingerprint == fingerprint) else {
                // Never seen, or not like this: it starts now.
                let decided = Decided { fingerprint, upto: view.now, boot: None };
                return Some(Plan { decided, slots: Vec::new() });
            };
            let slots = timed(schedule, cadence, known.upto, view);
            let upto = slots.last()?.0;
            Some(Plan { decided: Decided { fingerprint, upto, boot: None }, slots })
        }
        Due::On(event) => {
            let is_due = match event {
                StartOn::Start => view.event == Event::Begins,
                StartOn::Boot => known.and_then(|k| k.boot.as_deref()) != Some(view.boot),
            };
            let slot = known.map_or(view.now, |known| view.now.max(known.upto.plus_ms(1)));
            let boot = (*event == StartOn::Boot).then(|| view.boot.to_owned());
            is_due.then(|| Plan {
                decided: Decided { fingerprint, upto: slot, boot },
                slots: judged(schedule, &[], &[slot], view),
            })
        }
    }
}

/// The slots after `after` that are due by now.
fn timed(
    schedule: &Schedule,
    cadence: &Cadence,
    after: UtcMs,
    view: &View<'_>,
) -> Vec<(UtcMs, Verdict)> {
    let upto = view.now.plus_ms(-view.delay_ms);
    let late_upto = upto.plus_ms(-LATE_MS - 1);
    let fresh: Vec<UtcMs> = cadence.between(after.max(late_upto), upto).collect();
    let most = match schedule.catch_up {
        Backlog::None => 0,
        // When there is one that is not late, that is the newest.
        Backlog::Latest => usize::from(fresh.is_empty()),
        Backlog::All => schedule.catch_up_max as usize,
    };
    let window_ms = i64::try_from(schedule.catch_up_window.duration().as_millis());
    let oldest = upto.plus_ms(window_ms.unwrap_or(i64::MAX).saturating_add(1).saturating_neg());
    let caught = newest(cadence, after.max(oldest), late_upto, most);
    let missed_upto = caught.first().map_or(late_upto, |first| first.plus_ms(-1));
    let mut missed = cadence.between(after, missed_upto).fuse();
    let mut slots: Vec<(UtcMs, Verdict)> = Vec::new();
    let too_late = if view.gate == Gate::Paused { Verdict::Paused } else { Verdict::Missed };
    slots.extend(missed.by_ref().take(MISSED_MAX).map(|slot| (slot, too_late)));
    if missed.next().is_some() {
        return slots;
    }
    slots.extend(judged(schedule, &caught, &fresh, view));
    slots
}

/// The newest slots after `after` and up to `upto`, at most so many.
fn newest(cadence: &Cadence, after: UtcMs, upto: UtcMs, most: usize) -> Vec<UtcMs> {
    let mut newest = VecDeque::new();
    if most == 0 {
        return Vec::new();
    }
    for slot in cadence.between(after, upto) {
        newest.push_back(slot);
        if newest.len() > most {
            newest.pop_front();
        }
    }
    newest.into()
}

/// What becomes of slots that are to be caught up and of those that are due now.
fn judged(
    schedule: &Schedule,
    caught: &[UtcMs],
    fresh: &[UtcMs],
    view: &View<'_>,
) -> Vec<(UtcMs, Verdict)> {
    let all = |slots: &[UtcMs], verdict: Verdict| -> Vec<(UtcMs, Verdict)> {
        slots.iter().map(|slot| (*slot, verdict)).collect()
    };
    if view.gate == Gate::Paused {
        return [all(caught, Verdict::Paused), all(fresh, Verdict::Paused)].concat();
    }
    let busy = view.load == Load::Busy;
    let rest = fresh.len().saturating_sub(1);
    match schedule.overlap {
        Overlap::Allow => [all(caught, Verdict::CatchUp), all(fresh, Verdict::Run)].concat(),
        Overlap::Forbid if busy => {
            [all(caught, Verdict::Overlap), all(fresh, Verdict::Overlap)].concat()
        }
        // What became due together with slots that are caught up belongs to them.
        Overlap::Forbid if !caught.is_empty() => {
            [all(caught, Verdict::CatchUp), all(fresh, Verdict::CatchUp)].concat()
        }
        Overlap::Forbid => {
            let (first, others) = fresh.split_at(fresh.len().min(1));
            [all(first, Verdict::Run), all(others, Verdict::Overlap)].concat()
        }
        Overlap::Queue => {
            let runs_now = usize::from(!busy && caught.is_empty() && fresh.len() > 1);
            let (first, others) = fresh.split_at(runs_now);
            let (between, newest) = others.split_at(others.len().saturating_sub(1));
            let caught = all(caught, Verdict::CatchUp);
            let first = all(first, Verdict::Run);
            [caught, first, all(between, Verdict::Superseded), all(newest, Verdict::Run)].concat()
        }
        Overlap::Replace if fresh.is_empty() => {
            let (before, newest) = caught.split_at(caught.len().saturating_sub(1));
            [all(before, Verdict::Superseded), all(newest, Verdict::CatchUp)].concat()
        }
        Overlap::Replace => {
            let (before, newest) = fresh.split_at(rest);
            let caught = all(caught, Verdict::Superseded);
            [caught, all(before, Verdict::Superseded), all(newest, Verdict::Run)].concat()
        }
    }
}

/// What becomes of runs that waited when the service started: by the same rules, from their slots, oldest first. True is for those
/// that are run.
pub fn judge_again(schedule: &Schedule, waiting: &[UtcMs], now: UtcMs, delay_ms: i64) -> Vec<bool> {
    let upto = now.plus_ms(-delay_ms);
    let is_late = |slot: &UtcMs| *slot < upto.plus_ms(-LATE_MS);
    let window_ms = i64::try_from(schedule.catch_up_window.duration().as_millis());
    let oldest = upto.plus_ms(window_ms.unwrap_or(i64::MAX).saturating_neg());
    let late: Vec<UtcMs> = waiting.iter().copied().filter(is_late).collect();
    let most = match schedule.catch_up {
        Backlog::None => 0,
        Backlog::Latest => usize::from(late.len() == waiting.len()),
        Backlog::All => schedule.catch_up_max as usize,
    };
    let within: Vec<UtcMs> = late.iter().copied().filter(|slot| *slot >= oldest).collect();
    let first = within.iter().rev().take(most).next_back().copied();
    waiting.iter().map(|slot| !is_late(slot) || first.is_some_and(|first| *slot >= first)).collect()
}
