//! Which slots are due and what becomes of each: a pure function of what is decided and what time it is.

use std::collections::VecDeque;

use crate::{
    domain::{cadence::Cadence, time::UtcMs},
    manifest::{Backlog, Overlap, Schedule, StartOn, Trigger},
    store::runs::DecidedSchedule,
};

/// A slot that is found longer than this after it was due is late: the service was down or the machine slept.
pub const LATE_MS: i64 = 60_000;
/// Most missed slots that are decided in one step; the rest follows in the next one.
const MISSED_MAX: usize = 5_000;

/// What is known when slots are decided.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleView<'a> {
    /// The time.
    pub now: UtcMs,
    /// How much later than due this schedule starts.
    pub delay_ms: i64,
    /// Which start of the machine this is.
    pub boot: &'a str,
    /// Whether this schedule has not been asked since the service started.
    pub event: DueEvent,
    /// Whether a run of this schedule goes on, or waits.
    pub load: ScheduleLoad,
    /// Whether its job is paused.
    pub gate: ScheduleGate,
}

/// Whether the service has just started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueEvent {
    /// It has.
    Begins,
    GoesOn,
}

/// Whether a run of a schedule goes on, or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleLoad {
    /// None does.
    Free,
    /// One does.
    Busy,
}

/// Whether a job may be started by its schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleGate {
    /// It may.
    Open,
    Paused,
}

/// What becomes of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotVerdict {
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
pub struct SlotPlan {
    /// Up to where.
    pub decided: DecidedSchedule,
    /// The slots, in order.
    pub slots: Vec<(UtcMs, SlotVerdict)>,
}

/// Decides the slots of a schedule that became due; `None` when there is nothing to record.
pub fn plan(
    schedule: &Schedule,
    known: Option<&DecidedSchedule>,
    view: &ScheduleView<'_>,
) -> Option<SlotPlan> {
    let fingerprint = schedule.due.fingerprint();
    match &schedule.due {
        Trigger::At(cadence) => {
            let Some(known) = known.filter(|known| known.fingerprint == fingerprint) else {
                // Never seen, or not like this: it starts now.
                let decided = DecidedSchedule { fingerprint, upto: view.now, boot: None };
                return Some(SlotPlan { decided, slots: Vec::new() });
            };
            let slots = timed(schedule, cadence, known.upto, view);
            let upto = slots.last()?.0;
            Some(SlotPlan { decided: DecidedSchedule { fingerprint, upto, boot: None }, slots })
        }
        Trigger::On(event) => {
            let is_due = match event {
                StartOn::Start => view.event == DueEvent::Begins,
                StartOn::Boot => known.and_then(|k| k.boot.as_deref()) != Some(view.boot),
            };
            let slot = known.map_or(view.now, |known| view.now.max(known.upto.plus_ms(1)));
            let boot = (*event == StartOn::Boot).then(|| view.boot.to_owned());
            is_due.then(|| SlotPlan {
                decided: DecidedSchedule { fingerprint, upto: slot, boot },
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
    view: &ScheduleView<'_>,
) -> Vec<(UtcMs, SlotVerdict)> {
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
    let mut slots: Vec<(UtcMs, SlotVerdict)> = Vec::new();
    let too_late =
        if view.gate == ScheduleGate::Paused { SlotVerdict::Paused } else { SlotVerdict::Missed };
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
    view: &ScheduleView<'_>,
) -> Vec<(UtcMs, SlotVerdict)> {
    let all = |slots: &[UtcMs], verdict: SlotVerdict| -> Vec<(UtcMs, SlotVerdict)> {
        slots.iter().map(|slot| (*slot, verdict)).collect()
    };
    if view.gate == ScheduleGate::Paused {
        return [all(caught, SlotVerdict::Paused), all(fresh, SlotVerdict::Paused)].concat();
    }
    let busy = view.load == ScheduleLoad::Busy;
    let rest = fresh.len().saturating_sub(1);
    match schedule.overlap {
        Overlap::Allow => {
            [all(caught, SlotVerdict::CatchUp), all(fresh, SlotVerdict::Run)].concat()
        }
        Overlap::Forbid if busy => {
            [all(caught, SlotVerdict::Overlap), all(fresh, SlotVerdict::Overlap)].concat()
        }
        // What became due together with slots that are caught up belongs to them.
        Overlap::Forbid if !caught.is_empty() => {
            [all(caught, SlotVerdict::CatchUp), all(fresh, SlotVerdict::CatchUp)].concat()
        }
        // Several that are not late: the service was away for a moment. The newest one is run, as of those that are late.
        Overlap::Forbid => {
            let (before, newest) = fresh.split_at(rest);
            [all(before, SlotVerdict::Superseded), all(newest, SlotVerdict::Run)].concat()
        }
        Overlap::Queue => {
            let runs_now = usize::from(!busy && caught.is_empty() && fresh.len() > 1);
            let (first, others) = fresh.split_at(runs_now);
            let (between, newest) = others.split_at(others.len().saturating_sub(1));
            // What became due together with slots that are caught up belongs to them.
            let passed =
                if caught.is_empty() { SlotVerdict::Superseded } else { SlotVerdict::CatchUp };
            let caught = all(caught, SlotVerdict::CatchUp);
            let first = all(first, SlotVerdict::Run);
            [caught, first, all(between, passed), all(newest, SlotVerdict::Run)].concat()
        }
        Overlap::Replace if fresh.is_empty() => {
            let (before, newest) = caught.split_at(caught.len().saturating_sub(1));
            [all(before, SlotVerdict::Superseded), all(newest, SlotVerdict::CatchUp)].concat()
        }
        Overlap::Replace => {
            let (before, newest) = fresh.split_at(rest);
            let caught = all(caught, SlotVerdict::Superseded);
            [caught, all(before, SlotVerdict::Superseded), all(newest, SlotVerdict::Run)].concat()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::manifest::Span;

    /// A minute, in milliseconds.
    const M: i64 = 60_000;

    fn at(minute: i64) -> UtcMs {
        UtcMs::new(minute * M).unwrap()
    }

    fn schedule(overlap: Overlap, catch_up: Backlog, most: u32) -> Schedule {
        Schedule {
            id: "1".to_owned(),
            due: Trigger::At(Cadence::Every(Duration::from_mins(1))),
            overlap,
            catch_up,
            catch_up_window: Span::seconds(3_600),
            catch_up_max: most,
            jitter: Span::seconds(0),
            params: Vec::new(),
            profiles: Vec::new(),
            lacks: Vec::new(),
        }
    }

    fn view(now: UtcMs, load: ScheduleLoad) -> ScheduleView<'static> {
        ScheduleView {
            now,
            delay_ms: 0,
            boot: "b",
            event: DueEvent::GoesOn,
            load,
            gate: ScheduleGate::Open,
        }
    }

    fn decided(schedule: &Schedule, minute: i64) -> DecidedSchedule {
        DecidedSchedule { fingerprint: schedule.due.fingerprint(), upto: at(minute), boot: None }
    }

    /// The verdicts on the minutes after `from`, as letters.
    fn letters(schedule: &Schedule, from: i64, view: &ScheduleView<'_>) -> String {
        let plan = plan(schedule, Some(&decided(schedule, from)), view);
        let Some(plan) = plan else { return String::new() };
        let first = plan.slots.first().map(|(slot, _)| slot.get());
        assert_eq!(first, Some((from + 1) * M), "no slot is left out");
        assert_eq!(plan.slots.last().map(|(slot, _)| *slot), Some(plan.decided.upto));
        assert!(plan.slots.windows(2).all(|pair| pair[1].0.get() - pair[0].0.get() == M));
        plan.slots
            .iter()
            .map(|(_, verdict)| match verdict {
                SlotVerdict::Run => 'R',
                SlotVerdict::CatchUp => 'C',
                SlotVerdict::Missed => 'm',
                SlotVerdict::Overlap => 'o',
                SlotVerdict::Superseded => 's',
                SlotVerdict::Paused => 'p',
            })
            .collect()
    }

    #[test]
    fn late_slots_are_caught_up_as_the_schedule_says_and_the_others_are_missed() {
        let between = at(110).plus_ms(-1);
        for (catch_up, most, now, expected) in [
            (Backlog::None, 9, between, "mmmmmmmmR"),
            (Backlog::Latest, 9, between, "mmmmmmmmR"),
            (Backlog::All, 9, between, "CCCCCCCCC"),
            (Backlog::All, 3, between, "mmmmmCCCC"),
        ] {
            let schedule = schedule(Overlap::Forbid, catch_up, most);
            assert_eq!(
                letters(&schedule, 100, &view(now, ScheduleLoad::Free)),
                expected,
                "{catch_up:?}"
            );
        }
        // Every ten minutes, found five minutes late: nothing is due now.
        let mut tens = schedule(Overlap::Forbid, Backlog::Latest, 9);
        tens.due = Trigger::At(Cadence::Every(Duration::from_mins(10)));
        let known = decided(&tens, 100);
        let found = plan(&tens, Some(&known), &view(at(135), ScheduleLoad::Free)).unwrap();
        let verdicts: Vec<SlotVerdict> = found.slots.iter().map(|(_, verdict)| *verdict).collect();
        assert_eq!(verdicts, [SlotVerdict::Missed, SlotVerdict::Missed, SlotVerdict::CatchUp]);
    }

    /// Every ten seconds: seven slots of the last minute are not late.
    #[test]
    fn after_being_away_the_newest_slot_is_run_however_short_the_interval() {
        for (away_s, late) in [(25, 0), (60, 0), (3_000, 293)] {
            for catch_up in [Backlog::None, Backlog::Latest] {
                let mut often = schedule(Overlap::Forbid, catch_up, 9);
                often.due = Trigger::At(Cadence::Every(Duration::from_secs(10)));
                let now = at(100).plus_ms(away_s * 1_000);
                let known = decided(&often, 100);
                let found = plan(&often, Some(&known), &view(now, ScheduleLoad::Free)).unwrap();
                let run: Vec<UtcMs> = found
                    .slots
                    .iter()
                    .filter(|(_, verdict)| *verdict == SlotVerdict::Run)
                    .map(|(slot, _)| *slot)
                    .collect();
                assert_eq!(run, [found.decided.upto], "{away_s} s, {catch_up:?}");
                assert!(now.get() - found.decided.upto.get() < 10_000);
                let missed = found.slots.iter().filter(|(_, v)| *v == SlotVerdict::Missed).count();
                assert_eq!(missed, late);
            }
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_missed_however_much_may_be_caught_up() {
        let schedule = schedule(Overlap::Queue, Backlog::All, 1_000);
        let found = letters(&schedule, 0, &view(at(200), ScheduleLoad::Free));
        assert_eq!(found, format!("{}{}R", "m".repeat(139), "C".repeat(60)));
    }

    #[test]
    fn a_slot_that_comes_too_early_is_treated_by_the_rule() {
        let now = at(102);
        for (overlap, load, expected) in [
            (Overlap::Forbid, ScheduleLoad::Free, "sR"),
            (Overlap::Forbid, ScheduleLoad::Busy, "oo"),
            (Overlap::Queue, ScheduleLoad::Free, "RR"),
            (Overlap::Queue, ScheduleLoad::Busy, "sR"),
            (Overlap::Replace, ScheduleLoad::Busy, "sR"),
            (Overlap::Allow, ScheduleLoad::Busy, "RR"),
        ] {
            let schedule = schedule(overlap, Backlog::Latest, 9);
            let found = letters(&schedule, 100, &view(now, load));
            assert_eq!(found, expected, "{overlap:?} {load:?}");
        }
        let paused =
            ScheduleView { gate: ScheduleGate::Paused, ..view(at(105), ScheduleLoad::Free) };
        let forbid = schedule(Overlap::Forbid, Backlog::All, 9);
        assert_eq!(letters(&forbid, 100, &paused), "ppppp");
    }

    #[test]
    fn c16_many_missed_slots_are_decided_in_steps_and_the_newest_is_still_caught_up() {
        let schedule = schedule(Overlap::Forbid, Backlog::Latest, 9);
        let mut upto = 0;
        let mut all = String::new();
        let now = at(12_000).plus_ms(M - 1);
        for _ in 0..3 {
            let found = letters(&schedule, upto, &view(now, ScheduleLoad::Free));
            upto += i64::try_from(found.len()).unwrap();
            all.push_str(&found);
        }
        assert_eq!(all, format!("{}R", "m".repeat(11_999)));
        assert_eq!(letters(&schedule, upto, &view(now, ScheduleLoad::Free)), "");
    }

    #[test]
    fn a_schedule_that_is_new_or_changed_starts_now_and_a_clock_that_is_set_back_decides_nothing() {
        let schedule = schedule(Overlap::Forbid, Backlog::All, 9);
        let now = view(at(500), ScheduleLoad::Free);
        let other = DecidedSchedule { fingerprint: "other".to_owned(), upto: at(3), boot: None };
        for known in [None, Some(&other)] {
            let found = plan(&schedule, known, &now).unwrap();
            assert_eq!((found.decided, found.slots.len()), (decided(&schedule, 500), 0));
        }
        assert_eq!(plan(&schedule, Some(&decided(&schedule, 900)), &now), None);
    }

    #[test]
    fn events_are_due_once() {
        let mut schedule = schedule(Overlap::Forbid, Backlog::Latest, 9);
        schedule.due = Trigger::On(StartOn::Start);
        let begins = ScheduleView { event: DueEvent::Begins, ..view(at(5), ScheduleLoad::Free) };
        let first = plan(&schedule, None, &begins).unwrap();
        assert_eq!(first.slots, [(at(5), SlotVerdict::Run)]);
        let again = plan(&schedule, Some(&first.decided), &begins).unwrap();
        assert_eq!(
            again.slots,
            [(at(5).plus_ms(1), SlotVerdict::Run)],
            "each start has its own slot"
        );
        assert_eq!(plan(&schedule, Some(&first.decided), &view(at(6), ScheduleLoad::Free)), None);
        schedule.due = Trigger::On(StartOn::Boot);
        let first = plan(&schedule, None, &view(at(5), ScheduleLoad::Free)).unwrap();
        assert_eq!(first.decided.boot.as_deref(), Some("b"));
        assert_eq!(plan(&schedule, Some(&first.decided), &view(at(9), ScheduleLoad::Free)), None);
        let later = ScheduleView { boot: "c", ..view(at(9), ScheduleLoad::Free) };
        assert!(plan(&schedule, Some(&first.decided), &later).is_some());
    }

    #[test]
    fn a_delay_moves_the_start_and_not_the_slot() {
        let schedule = schedule(Overlap::Forbid, Backlog::Latest, 9);
        let delayed =
            |now: UtcMs| ScheduleView { delay_ms: 30_000, ..view(now, ScheduleLoad::Free) };
        assert_eq!(letters(&schedule, 100, &delayed(at(101).plus_ms(29_999))), "");
        assert_eq!(letters(&schedule, 100, &delayed(at(101).plus_ms(30_000))), "R");
    }

    #[test]
    fn runs_that_wait_at_a_start_are_judged_by_the_same_rules() {
        let waiting = [at(10), at(50), at(98), at(99)];
        let now = at(99).plus_ms(30_000);
        for (catch_up, most, expected) in [
            (Backlog::None, 9, [false, false, false, true]),
            (Backlog::Latest, 9, [false, false, false, true]),
            (Backlog::All, 9, [false, true, true, true]),
            (Backlog::All, 1, [false, false, true, true]),
        ] {
            let schedule = schedule(Overlap::Queue, catch_up, most);
            assert_eq!(judge_again(&schedule, &waiting, now, 0), expected, "{catch_up:?}");
        }
        let schedule = schedule(Overlap::Queue, Backlog::Latest, 9);
        assert_eq!(judge_again(&schedule, &waiting[..2], now, 0), [false, true]);
    }
}
