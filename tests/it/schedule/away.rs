//! Schedules that go away and come back, and watermarks that a clock which was ahead once has left in the future.

use std::{cell::RefCell, rc::Rc, time::Duration};

use mjolnir::{
    domain::{
        cadence::{Cadence, ClockGap},
        time::UtcMs,
    },
    manifest::{Backlog, Overlap, Schedule, Span, StartOn, Trigger},
    serve::{
        schedule_table::{JobSchedules, RunPolicy, ScheduledJob},
        service::{Service, ServiceSettings},
    },
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{Ahead, RunFilter, RunRecord, RunState, RunStore, TakenBack},
    },
};

use super::world::{Hand, Mouth, Shared, World};
use crate::support::runner::Root;

const START: &str = "2026-05-04T10:00:03Z";
const DAY_MS: i64 = 86_400_000;

struct Place {
    world: Shared,
    layout: Layout,
    _root: Root,
}

fn work(job: &str, due: Trigger) -> ScheduledJob {
    let schedule = Schedule {
        id: "1".to_owned(),
        due,
        overlap: Overlap::Queue,
        catch_up: Backlog::Latest,
        catch_up_window: Span::seconds(86_400),
        catch_up_max: 100,
        jitter: Span::seconds(0),
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
        terms: RunPolicy { overlap: Overlap::Queue, ..RunPolicy::default() },
    }
}

fn every(seconds: u64) -> Trigger {
    Trigger::At(Cadence::Every(Duration::from_secs(seconds)))
}

impl Place {
    fn new() -> Self {
        let root = Root::new();
        let layout = Layout::new(root.path());
        let start: UtcMs = START.parse().unwrap();
        let mut world = World::new(7, &layout, start.get());
        world.longest_s = 1;
        Self { world: Rc::new(RefCell::new(world)), layout, _root: root }
    }

    fn store(&self) -> RunStore {
        RunStore::open(&RealDisk::new(self.layout.data()), &self.layout).unwrap()
    }

    fn service(&self, works: &[ScheduledJob]) -> Service<Hand> {
        let settings = ServiceSettings {
            most: 4,
            machine: "m".to_owned(),
            boot: "b".to_owned(),
            build: "x".to_owned(),
        };
        let (hand, mouth) = (Hand(Rc::clone(&self.world)), Mouth(Rc::clone(&self.world)));
        let works = JobSchedules::new(works.to_vec()).unwrap();
        let mut service = Service::new(self.store(), hand, Box::new(mouth), works, settings);
        let now = self.world.borrow().now();
        service.take_over(now).unwrap();
        service
    }

    /// Turns of a service, so many seconds apart.
    fn live(&self, service: &mut Service<Hand>, seconds: u64, step: u64) {
        for _ in 0..seconds / step {
            let now = self.world.borrow().now();
            service.turn(now).unwrap();
            self.world.borrow_mut().pass(Duration::from_secs(step));
        }
    }

    fn now(&self) -> UtcMs {
        self.world.borrow().now().at
    }

    fn set_clock(&self, by_ms: i64) {
        self.world.borrow_mut().wall_ms += by_ms;
    }

    /// The records of a schedule, oldest first.
    fn runs(&self, schedule: &str) -> Vec<RunRecord> {
        let schedule = Some(schedule.to_owned());
        let filter = RunFilter { schedule, limit: Some(u32::MAX), ..RunFilter::default() };
        let mut runs = self.store().list(&filter).unwrap();
        runs.sort_by_key(|run| run.due.as_ref().map(|(_, slot)| *slot));
        runs
    }

    fn ahead(&self) -> Option<Ahead> {
        let marks = self.store().watermarks().unwrap();
        marks.values().filter_map(|upto| Ahead::of(*upto, self.now())).max()
    }

    fn take_back(&self) -> TakenBack {
        let now = self.now();
        let run = |_: &TakenBack| {
            let id = format!("rewind_{}", now.get()).parse().unwrap();
            RunRecord {
                ended: Some(now),
                ..RunRecord::first(id, ("rewind", "rewind"), RunState::Succeeded, now, "b")
            }
        };
        self.store().take_back(now, run).unwrap()
    }

    /// How often a run was at work.
    fn worked(&self, run: &RunRecord) -> usize {
        self.world.borrow().stretches.iter().filter(|stretch| stretch.run == run.run_id).count()
    }
}

fn slot(run: &RunRecord) -> UtcMs {
    run.due.as_ref().unwrap().1
}

#[test]
fn a_schedule_that_was_away_begins_when_it_comes_back_and_missed_nothing() {
    for over_a_restart in [false, true] {
        for due in [
            every(10),
            Trigger::At(Cadence::Cron {
                cron: "* * * * *".parse().unwrap(),
                zone: "UTC".parse().unwrap(),
                gap: ClockGap::Shift,
            }),
        ] {
            let place = Place::new();
            let (a, b) = (work("a", every(10)), work("b", due));
            let both = [a.clone(), b.clone()];
            let mut service = place.service(&both);
            place.live(&mut service, 150, 1);
            let went = place.now();
            if over_a_restart {
                drop(service);
                place.world.borrow_mut().bury();
                service = place.service(std::slice::from_ref(&a));
            } else {
                service.reload(JobSchedules::new(vec![a.clone()]).unwrap());
            }
            place.live(&mut service, 400, 1);
            let came = place.now();
            if over_a_restart {
                drop(service);
                place.world.borrow_mut().bury();
                service = place.service(&both);
            } else {
                service.reload(JobSchedules::new(both.to_vec()).unwrap());
            }
            place.live(&mut service, 150, 1);
            let b = place.runs("b.1");
            let meanwhile: Vec<&RunRecord> =
                b.iter().filter(|run| slot(run) > went && slot(run) <= came).collect();
            assert!(meanwhile.is_empty(), "{meanwhile:?}");
            assert!(b.iter().any(|run| slot(run) <= went) && b.iter().any(|run| slot(run) > came));
            let a = place.runs("a.1");
            assert!(a.windows(2).all(|pair| slot(&pair[1]).get() - slot(&pair[0]).get() == 10_000));
        }
    }
}

#[test]
fn a_schedule_on_boot_that_was_away_does_not_run_again_for_the_same_boot() {
    let place = Place::new();
    let (a, b) = (work("a", every(10)), work("b", Trigger::On(StartOn::Boot)));
    let mut service = place.service(&[a.clone(), b.clone()]);
    place.live(&mut service, 20, 1);
    service.reload(JobSchedules::new(vec![a.clone()]).unwrap());
    place.live(&mut service, 20, 1);
    service.reload(JobSchedules::new(vec![a, b]).unwrap());
    place.live(&mut service, 20, 1);
    assert_eq!(place.runs("b.1").len(), 1);
}

#[test]
fn c16_a_watermark_that_is_ahead_is_seen_and_taken_back_and_nothing_runs_twice() {
    let place = Place::new();
    let hourly = Trigger::At(Cadence::Cron {
        cron: "0 * * * *".parse().unwrap(),
        zone: "UTC".parse().unwrap(),
        gap: ClockGap::Shift,
    });
    let works =
        [work("h", hourly), work("s", every(1_800)), work("o", Trigger::On(StartOn::Start))];
    let mut service = place.service(&works);
    place.live(&mut service, 7_200, 30);
    assert_eq!(place.ahead(), None);
    place.set_clock(3 * DAY_MS);
    place.live(&mut service, 7_200, 30);
    assert_eq!(place.ahead(), None, "a clock that is ahead knows nothing of it");
    place.set_clock(-3 * DAY_MS);
    let back = place.now();
    let ahead = place.ahead().expect("it is seen at once");
    // Three days, but for what the last slot may be behind.
    let told = ["watermark 3d ahead of the clock", "watermark 2d ahead of the clock"];
    assert!(told.contains(&ahead.to_string().as_str()), "{ahead}");
    let before = place.runs("h.1").len();
    place.live(&mut service, 4 * 3_600, 30);
    assert_eq!(place.runs("h.1").len(), before, "it is silent until an operator does something");
    let ran_early: Vec<RunRecord> = place
        .runs("h.1")
        .into_iter()
        .filter(|run| slot(run) > place.now() && run.pid.is_some())
        .collect();
    assert!(!ran_early.is_empty(), "some ran while the clock was ahead");
    let silent_until = place.now();
    let taken = place.take_back();
    assert!(taken.schedules.len() >= 2 && taken.records > 60, "{taken:?}");
    assert_eq!(place.ahead(), None);
    assert_eq!(place.take_back(), TakenBack::default(), "once is enough");
    // Over every slot that was decided too early, and beyond; half of it by another service.
    place.live(&mut service, 2 * 86_400, 60);
    drop(service);
    place.world.borrow_mut().bury();
    let mut service = place.service(&works[..2]);
    place.live(&mut service, 2 * 86_400, 60);
    for (name, step_ms) in [("h.1", 3_600_000), ("s.1", 1_800_000)] {
        let runs = place.runs(name);
        let since: Vec<&RunRecord> = runs.iter().filter(|run| slot(run) > silent_until).collect();
        assert!(
            since.windows(2).all(|pair| slot(pair[1]).get() - slot(pair[0]).get() == step_ms),
            "{name}: a slot has no record, or two"
        );
        let missed: Vec<_> = since.iter().filter(|run| run.state == RunState::Missed).collect();
        assert!(missed.is_empty(), "{name}: {missed:?}");
        for run in since.iter().filter(|run| run.attempt == 1 && run.state == RunState::Succeeded) {
            assert_eq!(place.worked(run), 1, "{name}: {run:?}");
        }
        assert!(since.len() > 90, "{name}: {} since {back}", since.len());
    }
    for run in &ran_early {
        let again: Vec<RunRecord> =
            place.runs("h.1").into_iter().filter(|now| slot(now) == slot(run)).collect();
        assert_eq!(again.len(), 1, "{again:?}");
        assert_eq!((&again[0].run_id, place.worked(run)), (&run.run_id, run.attempt as usize));
    }
    let told = place
        .store()
        .list(&RunFilter { kind: Some("rewind".to_owned()), ..RunFilter::default() })
        .unwrap();
    assert_eq!(told.len(), 1, "it is recorded");
}
