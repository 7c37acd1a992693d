//! What a run means to those who want to be told, and what is owed to them: pure rules over the table of incidents.

use std::{collections::BTreeSet, time::Duration};

use super::deliver::NoticeSink;
use crate::{
    domain::{ids::RunId, time::UtcMs},
    manifest::{Kind, Negative, Notify, NotifyOn},
    store::runs::{Incident, IncidentId, IncidentKind, Recovery, RunRecord, RunState},
};

/// What a run means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMeaning {
    /// Something is wrong.
    Wrong(IncidentKind, NotifyOn),
    Well,
    /// Nothing that anybody is told about.
    Nothing,
}

/// What somebody is to be told now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// Something is wrong, for the first time or still.
    Wrong(Incident),
    /// All is well again. `since` and `times` are those of all the incidents together.
    Well {
        /// What it ends.
        recovery: Recovery,
        /// Since when the first of them lasted.
        since: UtcMs,
        /// Runs in trouble.
        times: u32,
    },
}

/// What a run means.
pub fn meaning(run: &RunRecord) -> RunMeaning {
    match run.state {
        RunState::Failed if run.exit_code == Some(1) && is_about_the_box(run) => {
            RunMeaning::Wrong(IncidentKind::Health, NotifyOn::Health)
        }
        RunState::Failed | RunState::Panicked => {
            RunMeaning::Wrong(IncidentKind::Run, NotifyOn::Failed)
        }
        RunState::TimedOut => RunMeaning::Wrong(IncidentKind::Run, NotifyOn::TimedOut),
        RunState::Lost => RunMeaning::Wrong(IncidentKind::Run, NotifyOn::Lost),
        RunState::Missed => RunMeaning::Wrong(IncidentKind::Missed, NotifyOn::Missed),
        RunState::Succeeded | RunState::Flaky => RunMeaning::Well,
        RunState::Queued
        | RunState::Running
        | RunState::Waiting
        | RunState::Cancelled
        | RunState::SkippedOverlap
        | RunState::Superseded
        | RunState::SkippedPrecondition => RunMeaning::Nothing,
    }
}

/// Whether exit code 1 of this run is a verdict about the box.
fn is_about_the_box(run: &RunRecord) -> bool {
    // An older service may have recorded a kind that this one does not have.
    Kind::of(&run.kind).is_some_and(|kind| kind.row().negative == Negative::SickBox)
}

/// How the incidents of a job change with a run that is over: those to keep, and those to take away.
/// A run that was seen before changes nothing.
pub fn change(
    known: &[Incident],
    run: &RunRecord,
    notify: &Notify,
) -> (Vec<Incident>, Vec<IncidentId>) {
    match meaning(run) {
        RunMeaning::Nothing => (Vec::new(), Vec::new()),
        RunMeaning::Wrong(trouble, event) => {
            (trouble_of(known, run, (trouble, event), notify), Vec::new())
        }
        RunMeaning::Well => well(known, run, notify),
    }
}

/// The incident of a job that has a run in trouble: a new one, or one more run of it. A run that was seen before changes nothing.
pub fn trouble_of(
    known: &[Incident],
    run: &RunRecord,
    (trouble, event): (IncidentKind, NotifyOn),
    notify: &Notify,
) -> Vec<Incident> {
    let id = IncidentId { job: run.job.clone(), trouble };
    let before = known.iter().find(|incident| incident.id == id);
    let changed = match before {
        _ if !notify.on.contains(&event) => None,
        Some(before) if before.run == run.run_id => None,
        Some(before) => Some(Incident {
            run: run.run_id.clone(),
            times: before.times.saturating_add(1),
            over: None,
            ..before.clone()
        }),
        None => Some(Incident {
            id,
            run: run.run_id.clone(),
            since: run.ended.unwrap_or(run.started),
            told: None,
            times: 1,
            over: None,
        }),
    };
    changed.into_iter().collect()
}

/// Ends what began before the run ended. Whoever was never told of it, and could be, is told first.
fn well(known: &[Incident], run: &RunRecord, notify: &Notify) -> (Vec<Incident>, Vec<IncidentId>) {
    let ended = run.ended.unwrap_or(run.started);
    let (mut keep, mut drop) = (Vec::new(), Vec::new());
    for incident in known.iter().filter(|i| i.over.is_none() && i.since <= ended) {
        let somebody = !NoticeSink::of(notify).is_empty();
        let to_tell = incident.told.is_none() || notify.on.contains(&NotifyOn::Recovered);
        if somebody && to_tell {
            keep.push(Incident { over: Some(run.run_id.clone()), ..incident.clone() });
        } else {
            drop.push(incident.id.clone());
        }
    }
    (keep, drop)
}

/// What is owed for the incidents of one job, and the ends that nobody wants to be told of.
pub fn owed(known: &[Incident], notify: &Notify, now: UtcMs) -> (Vec<Owed>, Vec<Recovery>) {
    let repeat = notify.repeat_every.as_ref().map(|every| every.get().duration());
    let mut all: Vec<Owed> = known
        .iter()
        .filter(|incident| is_due(incident, repeat, now))
        .cloned()
        .map(Owed::Wrong)
        .collect();
    let runs: BTreeSet<&RunId> = known.iter().filter_map(|i| i.over.as_ref()).collect();
    let mut unwanted = Vec::new();
    for run in runs {
        let ended: Vec<&Incident> = known.iter().filter(|i| i.over.as_ref() == Some(run)).collect();
        if ended.iter().any(|incident| incident.told.is_none()) {
            continue;
        }
        let incidents = ended.iter().map(|incident| incident.id.clone()).collect();
        let recovery = Recovery { incidents, run: run.clone() };
        let Some(since) = ended.iter().map(|incident| incident.since).min() else { continue };
        if notify.on.contains(&NotifyOn::Recovered) {
            let times = ended.iter().map(|incident| incident.times).sum();
            all.push(Owed::Well { recovery, since, times });
        } else {
            unwanted.push(recovery);
        }
    }
    (all, unwanted)
}

fn is_due(incident: &Incident, repeat: Option<Duration>, now: UtcMs) -> bool {
    let Some(told) = incident.told else { return true };
    let passed_ms = u128::try_from(now.get() - told.get()).unwrap_or_default();
    incident.over.is_none() && repeat.is_some_and(|repeat| passed_ms >= repeat.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> UtcMs {
        UtcMs::new(1_700_006_400_000 + minute * 60_000).unwrap()
    }

    fn run(minute: i64, state: RunState) -> RunRecord {
        let kind = if state == RunState::Failed && minute % 10 == 5 {
            Kind::Healthcheck
        } else {
            Kind::Exec
        };
        RunRecord {
            ended: Some(at(minute)),
            exit_code: Some(i32::from(state == RunState::Failed)),
            ..RunRecord::first(
                format!("j_{minute}").parse().unwrap(),
                ("j", kind.name()),
                state,
                at(minute),
                "b",
            )
        }
    }

    fn notify(lines: &str) -> Notify {
        let text = format!("command = ['tell']\n{lines}");
        toml::from_str(&text).unwrap()
    }

    /// Delivers one thing, and says which.
    fn tell(table: &mut Vec<Incident>, one: Owed, now: UtcMs) -> String {
        match one {
            Owed::Wrong(incident) => {
                let mine = table.iter_mut().find(|i| i.id == incident.id).unwrap();
                mine.told = Some(now);
                format!("{}{} ", incident.id.trouble.name(), incident.times)
            }
            Owed::Well { recovery, times, .. } => {
                table.retain(|i| !recovery.incidents.contains(&i.id));
                format!("well{times} ")
            }
        }
    }

    /// Plays runs, a minute each, and says what is told, each run closed by a dot. At the minutes in `broken` nothing can be
    /// delivered.
    fn told(story: &[(i64, RunState)], notify: &Notify, broken: &[i64]) -> String {
        let mut table: Vec<Incident> = Vec::new();
        let mut said = String::new();
        for (minute, state) in story {
            let run = run(*minute, *state);
            let (put, drop) = change(&table, &run, notify);
            let gone = |i: &Incident| put.iter().any(|p| p.id == i.id) || drop.contains(&i.id);
            table.retain(|incident| !gone(incident));
            table.extend(put);
            table.sort_by(|a, b| a.id.cmp(&b.id));
            // What was owed and told makes room for what is owed then.
            for _ in 0..3 {
                let (all, unwanted) = owed(&table, notify, at(*minute));
                for recovery in unwanted {
                    table.retain(|i| !recovery.incidents.contains(&i.id));
                }
                if broken.contains(minute) {
                    break;
                }
                for one in all {
                    said.push_str(&tell(&mut table, one, at(*minute)));
                }
            }
            said.push('.');
        }
        said
    }

    #[test]
    fn incidents_are_told_once_repeated_when_asked_and_ended_once() {
        use RunState::{
            Cancelled, Failed, Flaky, Lost, Missed, Panicked, SkippedOverlap, SkippedPrecondition,
            Succeeded, Superseded, TimedOut,
        };
        let always = "";
        for (lines, story, broken, expected) in [
            (always, vec![(1, Succeeded), (2, Flaky)], vec![], ".."),
            (always, vec![(1, Failed), (2, Failed), (3, Failed)], vec![], "run1 ..."),
            (always, vec![(1, Failed), (2, Succeeded), (3, Succeeded)], vec![], "run1 .well1 .."),
            (
                always,
                vec![(1, Failed), (2, TimedOut), (3, Lost), (4, Flaky)],
                vec![],
                "run1 ...well3 .",
            ),
            (
                always,
                vec![(1, Panicked), (2, Succeeded), (3, Failed)],
                vec![],
                "run1 .well1 .run1 .",
            ),
            (always, vec![(1, Missed), (2, Missed), (3, Succeeded)], vec![], "missed1 ..well2 ."),
            (
                always,
                vec![(1, Missed), (2, Failed), (3, Succeeded)],
                vec![],
                "missed1 .run1 .well2 .",
            ),
            (always, vec![(5, Failed), (15, Failed), (16, Succeeded)], vec![], "health1 ..well2 ."),
            (
                always,
                vec![
                    (1, Cancelled),
                    (2, SkippedOverlap),
                    (3, Superseded),
                    (4, SkippedPrecondition),
                ],
                vec![],
                "....",
            ),
            (
                always,
                vec![(1, Failed), (2, Cancelled), (3, SkippedOverlap), (4, Failed)],
                vec![],
                "run1 ....",
            ),
            // A run that is seen twice counts once.
            (always, vec![(1, Failed), (1, Failed), (2, Succeeded)], vec![], "run1 ..well1 ."),
            // A success from before the trouble ends nothing.
            (always, vec![(4, Failed), (2, Succeeded), (6, Succeeded)], vec![], "run1 ..well1 ."),
            (
                "repeat-every = '3m'",
                vec![(1, Failed), (2, Failed), (3, Failed), (4, Failed), (6, Failed), (7, Failed)],
                vec![],
                "run1 ...run4 ..run6 .",
            ),
            (
                "on = ['failed']",
                vec![(1, Failed), (2, Succeeded), (3, Failed)],
                vec![],
                "run1 ..run1 .",
            ),
            ("on = ['failed', 'recovered']", vec![(1, TimedOut), (2, Succeeded)], vec![], ".."),
            ("on = []", vec![(1, Failed), (2, Missed), (3, Lost)], vec![], "..."),
        ] {
            assert_eq!(told(&story, &notify(lines), &broken), expected, "{lines} {story:?}");
        }
    }

    #[test]
    fn what_could_not_be_told_is_told_later_and_its_end_after_it() {
        use RunState::{Cancelled, Failed, Succeeded};
        let always = "";
        for (lines, story, broken, expected) in [
            (always, vec![(1, Failed), (2, Failed), (3, Failed)], vec![1, 2], "..run3 ."),
            (
                always,
                vec![(1, Failed), (2, Succeeded), (3, Succeeded)],
                vec![1, 2],
                "..run1 well1 .",
            ),
            (always, vec![(1, Failed), (2, Succeeded), (3, Succeeded)], vec![2], "run1 ..well1 ."),
            (
                always,
                vec![(1, Failed), (2, Succeeded), (3, Failed), (4, Succeeded)],
                vec![2],
                "run1 ...well2 .",
            ),
            (
                "on = ['failed']",
                vec![(1, Failed), (2, Succeeded), (3, Cancelled)],
                vec![1, 2],
                "..run1 .",
            ),
        ] {
            assert_eq!(told(&story, &notify(lines), &broken), expected, "{lines} {story:?}");
        }
    }

    #[test]
    fn without_anybody_to_tell_nothing_piles_up() {
        let nobody = Notify { command: Vec::new(), ..notify("") };
        let (put, _) = change(&[], &run(1, RunState::Failed), &nobody);
        let (kept, dropped) = change(&put, &run(2, RunState::Succeeded), &nobody);
        assert_eq!((put.len(), kept.len(), dropped.len()), (1, 0, 1));
    }
}
