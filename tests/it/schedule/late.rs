//! Runs that began late, and those that are slow: who is told of, in made-up time, beside what the world saw of them.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, time::Duration};

use mjolnir::{
    domain::{cadence::Cadence, ids::RunId, time::UtcMs},
    manifest::{Backlog, Overlap, Retry, Schedule, Span, Trigger},
    serve::{
        schedule_table::{JobSchedules, PoolPlace, RunPolicy, ScheduledJob},
        service::{RunTrouble, Service, ServiceSettings},
    },
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{RunFilter, RunRecord, RunStore},
    },
};

use super::world::{Hand, Mouth, Shared, World};
use crate::support::runner::Root;

const START: &str = "2026-05-04T10:00:03Z";
const HOUR: u64 = 3_600;
/// What counts as late, and as slow.
const LATE: Duration = Duration::from_mins(1);
const SLOW: Duration = Duration::from_secs(200);

/// A job of every hour.
fn hourly(job: &str, overlap: Overlap, jitter_s: u64) -> ScheduledJob {
    let schedule = Schedule {
        id: "1".to_owned(),
        due: Trigger::At(Cadence::Every(Duration::from_secs(HOUR))),
        overlap,
        catch_up: Backlog::Latest,
        catch_up_window: Span::seconds(86_400),
        catch_up_max: 100,
        jitter: Span::seconds(jitter_s),
        params: Vec::new(),
        profiles: Vec::new(),
        lacks: Vec::new(),
    };
    ScheduledJob {
        name: format!("{job}.1"),
        job: job.to_owned(),
        file: format!("jobs/{job}.toml"),
        kind: "exec".to_owned(),
        schedule,
        terms: RunPolicy {
            overlap,
            retry: Retry { attempts: 2, ..Retry::default() },
            late_start: Some(LATE),
            slow_after: Some(SLOW),
            ..RunPolicy::default()
        },
    }
}

struct Case {
    world: Shared,
    layout: Layout,
    works: Vec<ScheduledJob>,
    _root: Root,
}

impl Case {
    fn new(works: Vec<ScheduledJob>, longest_s: u64) -> Self {
        let root = Root::new();
        let layout = Layout::new(root.path());
        let start: UtcMs = START.parse().unwrap();
        let mut world = World::new(11, &layout, start.get());
        world.longest_s = longest_s;
        Self { world: Rc::new(RefCell::new(world)), layout, works, _root: root }
    }

    fn store(&self) -> RunStore {
        RunStore::open(&RealDisk::new(self.layout.data()), &self.layout).unwrap()
    }

    fn service(&self) -> Service<Hand> {
        let settings = ServiceSettings {
            most: 4,
            machine: "m".to_owned(),
            boot: "b".to_owned(),
            build: "x".to_owned(),
        };
        let (hand, mouth) = (Hand(Rc::clone(&self.world)), Mouth(Rc::clone(&self.world)));
        let works = JobSchedules::new(self.works.clone()).unwrap();
        let mut service = Service::new(self.store(), hand, Box::new(mouth), works, settings);
        let now = self.world.borrow().now();
        service.take_over(now).unwrap();
        service
    }

    /// A service that works for so many seconds, with a turn at every step.
    fn live(&self, seconds: u64, step: u64) {
        let mut service = self.service();
        for _ in 0..seconds / step {
            let now = self.world.borrow().now();
            service.turn(now).unwrap();
            // A run may begin and end between two turns.
            for _ in 0..step {
                self.world.borrow_mut().pass(Duration::from_secs(1));
            }
        }
        drop(service);
        self.world.borrow_mut().bury();
    }

    fn away(&self, seconds: u64) {
        self.world.borrow_mut().pass(Duration::from_secs(seconds));
    }

    fn runs(&self, job: &str) -> Vec<RunRecord> {
        let filter = RunFilter {
            schedule: Some(format!("{job}.1")),
            limit: Some(u32::MAX),
            ..RunFilter::default()
        };
        self.store().list(&filter).unwrap()
    }

    /// The runs of a job that began later than `LATE` after their slot, as the world saw it: a run in its first attempt.
    fn began_late(&self, job: &str, delay_ms: i64) -> BTreeSet<RunId> {
        let start: UtcMs = START.parse().unwrap();
        let world = self.world.borrow();
        let late = |run: &RunRecord| {
            let slot = run.due.as_ref().unwrap().1;
            let mut own = world.stretches.iter().filter(|stretch| stretch.run == run.run_id);
            own.find(|stretch| stretch.attempt == 1).is_some_and(|first| {
                let began = start.get() + i64::try_from(first.from.as_millis()).unwrap();
                began - slot.get() - delay_ms > i64::try_from(LATE.as_millis()).unwrap()
            })
        };
        self.runs(job).into_iter().filter(late).map(|run| run.run_id).collect()
    }

    /// Of whom it was told, each time.
    fn told(&self, job: &str, what: RunTrouble) -> Vec<RunId> {
        let stem = format!("{job}_");
        let all = self.world.borrow().troubles.clone();
        let own = all
            .into_iter()
            .filter(|(run, trouble)| run.as_str().starts_with(&stem) && *trouble == what);
        own.map(|(run, _)| run).collect()
    }

    #[track_caller]
    fn late_are_told_once(&self, job: &str, delay_ms: i64) -> usize {
        let (told, late) = (self.told(job, RunTrouble::Late), self.began_late(job, delay_ms));
        let as_set: BTreeSet<RunId> = told.iter().cloned().collect();
        assert_eq!(as_set, late, "{job}");
        assert_eq!(told.len(), late.len(), "{job}: twice: {told:?}");
        late.len()
    }
}

#[test]
fn a_run_that_began_late_is_told_once_also_when_it_is_over_at_once() {
    // Most are over before the service looks again.
    let case = Case::new(vec![hourly("j", Overlap::Queue, 0)], 2);
    case.live(5 * HOUR + HOUR / 2, 5);
    assert_eq!(case.late_are_told_once("j", 0), 0, "those of a service that is there are in time");
    assert!(case.runs("j").len() >= 5);
    for n in 1..=20 {
        // Away over a slot, back half an hour behind it.
        case.away(HOUR);
        case.live(30 * 60 + HOUR, 5);
        case.away(30 * 60);
        assert!(case.late_are_told_once("j", 0) <= n);
    }
    let late = case.late_are_told_once("j", 0);
    assert!(late >= 15, "{late}");
    // Another attempt begins late by its nature.
    let again = case.runs("j").into_iter().filter(|run| run.attempt > 1).count();
    assert!(again > 0, "no run was tried twice");
    assert!(case.world.borrow().lines.iter().any(|line| line.contains(" late j_")));
}

#[test]
fn a_run_is_in_time_when_it_begins_within_its_jitter_and_late_when_it_waits_for_a_place() {
    let jittered = hourly("jittered", Overlap::Queue, 1_500);
    let delay_ms = jittered.delay_ms("m");
    assert!(delay_ms > 120_000, "another name would do: {delay_ms}");
    let mut works = vec![jittered];
    for job in ["a", "b", "c"] {
        let mut work = hourly(job, Overlap::Queue, 0);
        work.terms.pool = Some(PoolPlace { name: "heavy".to_owned(), size: 1 });
        works.push(work);
    }
    let case = Case::new(works, 400);
    case.live(12 * HOUR, 5);
    assert_eq!(case.late_are_told_once("jittered", delay_ms), 0);
    assert!(case.runs("jittered").len() >= 10);
    let late: usize = ["a", "b", "c"].iter().map(|job| case.late_are_told_once(job, 0)).sum();
    assert!(late >= 10, "those that wait for the pool begin late: {late}");
}

#[test]
fn a_run_that_is_slow_is_told_while_it_goes_on_and_one_that_is_not_never() {
    let case = Case::new(vec![hourly("j", Overlap::Queue, 0)], 2 * SLOW.as_secs());
    case.live(24 * HOUR, 5);
    let told = case.told("j", RunTrouble::Slow);
    let world = case.world.borrow();
    let lasted = |run: &RunId| {
        let own = world.stretches.iter().filter(|stretch| stretch.run == *run);
        own.filter_map(|stretch| stretch.to?.checked_sub(stretch.from)).max().unwrap_or_default()
    };
    // What the service sees begins before the process works, and ends up to two turns behind it.
    let doubt = Duration::from_secs(14);
    for run in case.runs("j").iter().filter(|run| run.state.is_over()) {
        let times = told.iter().filter(|one| **one == run.run_id).count();
        let lasted = lasted(&run.run_id);
        if lasted > SLOW + doubt {
            assert!((1..=2).contains(&times), "{lasted:?} and told {times} times: {run:?}");
        } else if lasted + doubt < SLOW {
            assert_eq!(times, 0, "{lasted:?}: {run:?}");
        }
    }
    assert!(told.len() >= 4, "{told:?}");
}
