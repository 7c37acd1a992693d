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
    /// When it was due.
    pub due_ms: i64,
    /// The pool it takes a place of, and how many that has.
    pub pool: Option<(&'a str, u32)>,
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
    /// It is not over, and waits for an approval without a process: it takes no place.
    Parked,
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
    waiting: Vec<(u64, CandidateState)>,
    going: Vec<u64>,
}

/// The places that are taken.
#[derive(Default)]
struct PlacesTaken<'a> {
    all: u32,
    of_pools: BTreeMap<&'a str, u32>,
}

impl<'a> PlacesTaken<'a> {
    fn take(&mut self, seat: &Candidate<'a>) {
        self.all += u32::from(seat.place == RunPlace::Taken);
        if let Some((pool, _)) = seat.pool {
            *self.of_pools.entry(pool).or_default() += 1;
        }
    }

    fn has_room(&self, seat: &Candidate<'a>, most: u32) -> bool {
        let taken = |pool: &str| self.of_pools.get(pool).copied().unwrap_or_default();
        let in_pool = seat.pool.is_none_or(|(pool, size)| taken(pool) < size);
        in_pool && (seat.place == RunPlace::Aside || self.all < most)
    }
}

/// What is to be done so that every schedule keeps its rule, no more than `most` runs go on, and no pool holds more than its size.
pub fn admit(seats: &[Candidate<'_>], most: u32) -> Vec<Admission> {
    let mut groups: BTreeMap<&str, (Overlap, ScheduleGroup)> = BTreeMap::new();
    let mut places = PlacesTaken::default();
    for seat in seats {
        let (_, group) =
            groups.entry(seat.schedule).or_insert_with(|| (seat.overlap, ScheduleGroup::default()));
        match seat.state {
            CandidateState::Running => {
                group.going.push(seat.key);
                places.take(seat);
            }
            CandidateState::Parked => group.going.push(seat.key),
            CandidateState::Waiting | CandidateState::Backlog | CandidateState::Retry { .. } => {
                group.waiting.push((seat.key, seat.state));
            }
        }
    }
    let mut acts = Vec::new();
    let mut startable_keys = Vec::new();
    for (overlap, group) in groups.values() {
        let gone = displaced(*overlap, group, &mut acts);
        startable_keys.extend(startable(*overlap, group, &gone));
    }
    let mut candidates: Vec<&Candidate<'_>> =
        seats.iter().filter(|seat| startable_keys.contains(&seat.key)).collect();
    // What is due now goes before what is caught up; then who was due first.
    candidates.sort_by_key(|seat| (seat.state == CandidateState::Backlog, seat.due_ms, seat.key));
    for seat in candidates {
        if places.has_room(seat, most) {
            places.take(seat);
            acts.push(Admission::Start(seat.key));
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
    let among = group.waiting.iter().filter(|(_, state)| waits(*state));
    let Some(newest) = among.clone().map(|(key, _)| *key).max() else { return gone };
    for (key, state) in among.filter(|(key, _)| *key != newest) {
        gone.insert(*key);
        acts.push(match state {
            CandidateState::Retry { .. } => Admission::Replace(*key),
            CandidateState::Waiting
            | CandidateState::Backlog
            | CandidateState::Running
            | CandidateState::Parked => Admission::Supersede(*key),
        });
    }
    if overlap == Overlap::Replace {
        acts.extend(group.going.iter().map(|key| Admission::Replace(*key)));
    }
    gone
}

/// Those of one schedule that its rule lets start.
fn startable(overlap: Overlap, group: &ScheduleGroup, gone: &BTreeSet<u64>) -> Vec<u64> {
    let is_ready = |state: CandidateState| state != CandidateState::Retry { ready: false };
    let waiting = group.waiting.iter().filter(|(key, _)| !gone.contains(key)).copied();
    if overlap == Overlap::Allow {
        return waiting.filter(|(_, state)| is_ready(*state)).map(|(key, _)| key).collect();
    }
    if !group.going.is_empty() {
        return Vec::new();
    }
    // A run that waits for another attempt is not over: nobody of its schedule passes it.
    let first = waiting.min_by_key(|(key, state)| match state {
        CandidateState::Retry { .. } => (0, *key),
        CandidateState::Waiting
        | CandidateState::Backlog
        | CandidateState::Running
        | CandidateState::Parked => (1, *key),
    });
    first.into_iter().filter(|(_, state)| is_ready(*state)).map(|(key, _)| key).collect()
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
        Candidate { key, schedule, overlap, state, place: RunPlace::Taken, due_ms: 0, pool: None }
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

    #[test]
    fn a_pool_holds_no_more_than_its_size_and_whoever_was_due_first_goes_first() {
        let heavy =
            |key: u64, schedule: &'static str, state: CandidateState, due_ms: i64| Candidate {
                due_ms,
                pool: Some(("heavy", 1)),
                ..seat(key, schedule, Overlap::Forbid, state)
            };
        let waits = CandidateState::Waiting;
        let free = seat(9, "free", Overlap::Forbid, waits);
        let seats = [heavy(1, "a", waits, 50), heavy(2, "b", waits, 20), free];
        assert_eq!(admit(&seats, 5), [Admission::Start(9), Admission::Start(2)]);
        let seats = [heavy(1, "a", waits, 50), heavy(2, "b", CandidateState::Running, 20), free];
        assert_eq!(admit(&seats, 5), [Admission::Start(9)], "the pool is full, nobody else waits");
        let seats = [heavy(1, "a", waits, 50), heavy(2, "b", CandidateState::Parked, 20)];
        assert_eq!(
            admit(&seats, 5),
            [Admission::Start(1)],
            "one that waits for people takes no place"
        );
    }

    #[test]
    fn a_run_that_waits_for_an_approval_is_not_over() {
        let parked = |overlap| seat(1, "s", overlap, CandidateState::Parked);
        let next = |overlap| seat(2, "s", overlap, CandidateState::Waiting);
        assert_eq!(admit(&[parked(Overlap::Queue), next(Overlap::Queue)], 1), []);
        let replaced = admit(&[parked(Overlap::Replace), next(Overlap::Replace)], 1);
        assert_eq!(replaced, [Admission::Replace(1)]);
        let other = seat(3, "other", Overlap::Forbid, CandidateState::Waiting);
        assert_eq!(admit(&[parked(Overlap::Forbid), other], 1), [Admission::Start(3)]);
    }
}
