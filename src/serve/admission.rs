//! Who may start now, who is too old to wait, and who must go: a pure function of all runs the service holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::Overlap;

/// One run that waits or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The service's number for it; older ones have smaller numbers.
    pub key: u64,
    pub schedule: &'a str,
    /// The rule of its schedule.
    pub overlap: Overlap,
    pub state: CandidateState,
    /// Whether it takes one of the places.
    pub place: RunPlace,
}

/// Whether a run takes one of the places of those that may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPlace {
    Taken,
    /// It is a loop that is always up.
    Aside,
}

/// How a held run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateState {
    /// It waits to run for the first time.
    Waiting,
    /// It waits to be caught up.
    Backlog,
    /// It waits for another attempt.
    Retry {
        /// Whether its pause is over.
        ready: bool,
    },
    /// It runs, or what it left behind is being ended.
    Running,
}

/// What is to be done with a held run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// It never runs: a newer slot waits in its place.
    Supersede(u64),
    /// It is stopped, or not tried again: a newer slot takes its place.
    Replace(u64),
    Start(u64),
}

#[derive(Default)]
struct ScheduleGroup {
    waiting: Vec<(u64, CandidateState, RunPlace)>,
    going: Vec<u64>,
}

/// What is to be done so that every schedule keeps its rule and no more than `most` runs go on.
pub fn admit(seats: &[Candidate<'_>], most: u32) -> Vec<Admission> {
    let mut groups: BTreeMap<&str, (Overlap, ScheduleGroup)> = BTreeMap::new();
    let mut places = 0;
    for seat in seats {
        let (_, group) =
            groups.entry(seat.schedule).or_insert_with(|| (seat.overlap, ScheduleGroup::default()));
        if seat.state == CandidateState::Running {
            group.going.push(seat.key);
            places += u32::from(seat.place == RunPlace::Taken);
        } else {
            group.waiting.push((seat.key, seat.state, seat.place));
        }
    }
    let mut acts = Vec::new();
    let mut candidates = Vec::new();
    for (overlap, group) in groups.values() {
        let gone = displaced(*overlap, group, &mut acts);
        candidates.extend(startable(*overlap, group, &gone));
    }
    // What is due now goes before what is caught up.
    candidates.sort_by_key(|(key, state, _)| (*state == CandidateState::Backlog, *key));
    for (key, _, place) in candidates {
        if place == RunPlace::Aside || places < most {
            places += u32::from(place == RunPlace::Taken);
            acts.push(Admission::Start(key));
        }
    }
    acts
}

/// Those who make room for the newest one of their schedule.
fn displaced(overlap: Overlap, group: &ScheduleGroup, acts: &mut Vec<Admission>) -> BTreeSet<u64> {
    let mut gone = BTreeSet::new();
    let waits = |state: CandidateState| match overlap {
        Overlap::Queue => state == CandidateState::Waiting,
        Overlap::Replace => true,
        Overlap::Forbid | Overlap::Allow => false,
    };
    let among = group.waiting.iter().filter(|(_, state, _)| waits(*state));
    let Some(newest) = among.clone().map(|(key, ..)| *key).max() else { return gone };
    for (key, state, _) in among.filter(|(key, ..)| *key != newest) {
        gone.insert(*key);
        acts.push(match state {
            CandidateState::Retry { .. } => Admission::Replace(*key),
            CandidateState::Waiting | CandidateState::Backlog | CandidateState::Running => {
                Admission::Supersede(*key)
            }
        });
    }
    if overlap == Overlap::Replace {
        acts.extend(group.going.iter().map(|key| Admission::Replace(*key)));
    }
    gone
}

/// Those of one schedule that its rule lets start.
fn startable(
    overlap: Overlap,
    group: &ScheduleGroup,
    gone: &BTreeSet<u64>,
) -> Vec<(u64, CandidateState, RunPlace)> {
    let is_ready = |state: CandidateState| state != CandidateState::Retry { ready: false };
    let waiting = group.waiting.iter().filter(|(key, ..)| !gone.contains(key)).copied();
    if overlap == Overlap::Allow {
        return waiting.filter(|(_, state, _)| is_ready(*state)).collect();
    }
    if !group.going.is_empty() {
        return Vec::new();
    }
    // A run that waits for another attempt is not over: nobody of its schedule passes it.
    let first = waiting.min_by_key(|(key, state, _)| match state {
        CandidateState::Retry { .. } => (0, *key),
        CandidateState::Waiting | CandidateState::Backlog | CandidateState::Running => (1, *key),
    });
    first.into_iter().filter(|(_, state, _)| is_ready(*state)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(
        key: u64,
        schedule: &'static str,
        overlap: Overlap,
        state: CandidateState,
    ) -> Candidate<'static> {
        Candidate { key, schedule, overlap, state, place: RunPlace::Taken }
    }

    const RETRY: CandidateState = CandidateState::Retry { ready: true };
    const PAUSE: CandidateState = CandidateState::Retry { ready: false };
    use CandidateState::{Backlog, Running, Waiting};

    #[test]
    fn every_rule_lets_the_right_one_start() {
        for (overlap, states, expected) in [
            (Overlap::Forbid, vec![Waiting], vec![Admission::Start(0)]),
            (Overlap::Forbid, vec![Running, Backlog], vec![]),
            (Overlap::Forbid, vec![Backlog, Backlog], vec![Admission::Start(0)]),
            (Overlap::Forbid, vec![Waiting, PAUSE], vec![]),
            (Overlap::Forbid, vec![Waiting, RETRY], vec![Admission::Start(1)]),
            (Overlap::Queue, vec![Running, Waiting, Waiting], vec![Admission::Supersede(1)]),
            (Overlap::Queue, vec![Backlog, Backlog, Waiting], vec![Admission::Start(0)]),
            (Overlap::Queue, vec![PAUSE, Waiting], vec![]),
            (Overlap::Replace, vec![Running, Waiting], vec![Admission::Replace(0)]),
            (
                Overlap::Replace,
                vec![PAUSE, Waiting],
                vec![Admission::Replace(0), Admission::Start(1)],
            ),
            (
                Overlap::Replace,
                vec![Backlog, Waiting],
                vec![Admission::Supersede(0), Admission::Start(1)],
            ),
            (
                Overlap::Allow,
                vec![Running, Backlog, Waiting],
                vec![Admission::Start(2), Admission::Start(1)],
            ),
        ] {
            let keys = 0..;
            let seats: Vec<Candidate<'_>> =
                keys.zip(&states).map(|(key, state)| seat(key, "s", overlap, *state)).collect();
            assert_eq!(admit(&seats, 9), expected, "{overlap:?} {states:?}");
        }
    }

    #[test]
    fn places_go_to_those_that_are_due_now_first_and_loops_take_none() {
        let aside =
            Candidate { place: RunPlace::Aside, ..seat(0, "loop", Overlap::Forbid, Running) };
        let up = Candidate { place: RunPlace::Aside, ..seat(9, "up", Overlap::Forbid, Waiting) };
        let old = seat(1, "old", Overlap::Forbid, Backlog);
        let new = seat(2, "new", Overlap::Forbid, Waiting);
        let found = admit(&[aside, old, new, up], 1);
        assert_eq!(found, [Admission::Start(2), Admission::Start(9)]);
        let busy = seat(3, "busy", Overlap::Forbid, Running);
        assert_eq!(admit(&[busy, old, new], 1), []);
    }
}
