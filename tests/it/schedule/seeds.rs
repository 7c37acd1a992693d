//! C16 from seeds: lives of a service around the changes of the clocks, with everything that goes wrong.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::Once,
    time::Duration,
};

use chrono_tz::{America::New_York, Europe::Berlin, UTC};
use mjolnir::{
    domain::{
        cadence::{Cadence, ClockGap},
        time::UtcMs,
    },
    manifest::{Backlog, Overlap, Parsed, Retry, Schedule, Span, Trigger},
    serve::{
        schedule_table::{JobSchedules, RunPolicy, ScheduledJob},
        service::{Service, ServiceSettings},
    },
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{Pause, RunFilter, RunRecord, RunStore},
    },
};

use super::{
    naive::Line,
    world::{Death, Hand, Mouth, Shared, World},
};
use crate::support::{
    market::{Dice, seeds},
    runner::Root,
};

/// Minutes before the four changes of 2026: New York and Berlin in spring, Berlin and New York in autumn.
const CHANGES: [&str; 4] = [
    "2026-03-08T07:00:00Z",
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-11-01T06:00:00Z",
];
/// Most runs that go on at once.
const PLACES: i32 = 4;
/// How long before a change a life begins, and how long it is.
const BEFORE_MS: i64 = 8 * 3_600_000;
const LIFE: Duration = Duration::from_hours(18);
/// A life goes on until so many services have died in it.
const DEATHS: u32 = 5;

/// A schedule, and the slow way to find its slots.
struct Case {
    work: ScheduledJob,
    line: Option<Line>,
}

fn cron(line: &str, zone: &str, gap: ClockGap) -> Trigger {
    Trigger::At(Cadence::Cron { cron: line.parse().unwrap(), zone: zone.parse().unwrap(), gap })
}

fn cases(dice: &mut Dice) -> Vec<Case> {
    let daily =
        |zone, shifts| Line { minutes: |m| m == 30, hours: |h| h == 2, zone, fixed: true, shifts };
    let all = |zone, minutes: fn(u32) -> bool| {
        Some(Line { minutes, hours: |_| true, zone, fixed: false, shifts: false })
    };
    let dues = [
        (cron("*/5 * * * *", "Europe/Berlin", ClockGap::Shift), all(Berlin, |m| m % 5 == 0)),
        (cron("*/7 * * * *", "America/New_York", ClockGap::Shift), all(New_York, |m| m % 7 == 0)),
        (cron("30 2 * * *", "Europe/Berlin", ClockGap::Shift), Some(daily(Berlin, true))),
        (cron("30 2 * * *", "Europe/Berlin", ClockGap::Skip), Some(daily(Berlin, false))),
        (cron("30 2 * * *", "America/New_York", ClockGap::Shift), Some(daily(New_York, true))),
        (cron("17 * * * *", "UTC", ClockGap::Shift), all(UTC, |m| m == 17)),
        (Trigger::At(Cadence::Every(Duration::from_secs(97))), None),
        (Trigger::At(Cadence::Every(Duration::from_secs(30))), None),
    ];
    let cases = dues.into_iter().enumerate();
    cases.map(|(n, (due, line))| Case { work: work(n, due, dice), line }).collect()
}

fn work(n: usize, due: Trigger, dice: &mut Dice) -> ScheduledJob {
    let mut pick = |most: u64| usize::try_from(dice.below(most)).unwrap();
    let overlap =
        [Overlap::Forbid, Overlap::Queue, Overlap::Replace, Overlap::Allow, Overlap::Forbid]
            [pick(5)];
    let catch_up = [Backlog::None, Backlog::Latest, Backlog::All][pick(3)];
    let jitter = Span::seconds([0, 0, 20, 90][pick(4)]);
    let schedule = Schedule {
        id: "1".to_owned(),
        due,
        overlap,
        catch_up,
        catch_up_window: Span::seconds([600, 7_200, 86_400][pick(3)]),
        catch_up_max: [1, 5, 100][pick(3)],
        jitter,
        params: Vec::new(),
        profiles: Vec::new(),
        lacks: Vec::new(),
    };
    let attempts = [1, 1, 3][pick(3)];
    let retry = Retry { attempts, max_delay: Parsed::new(Span::seconds(20)), ..Retry::default() };
    let timeout = [None, Some(Duration::from_secs(40))][pick(2)];
    let terms = RunPolicy {
        overlap,
        timeout,
        grace: Duration::from_secs(3),
        output_max: 1,
        retry,
        idempotent: pick(2) == 0,
        ..RunPolicy::default()
    };
    let job = format!("j{n}");
    ScheduledJob {
        name: format!("{job}.1"),
        file: format!("jobs/{job}.toml"),
        kind: "exec".to_owned(),
        job,
        schedule,
        terms,
    }
}

/// One life: services one after the other in one world.
struct Story {
    world: Shared,
    layout: Layout,
    cases: Vec<Case>,
    /// The watcher's own connection.
    db: rusqlite::Connection,
    /// From where each schedule counts.
    since: BTreeMap<String, UtcMs>,
    deaths: u32,
    told: String,
    /// Up to where each schedule was decided, before its service was taken away.
    upto: BTreeMap<String, UtcMs>,
    _root: Root,
}

impl Story {
    fn new(seed: u64, start_ms: i64) -> Self {
        let root = Root::new();
        let layout = Layout::new(root.path());
        let world = World::new(seed, &layout, start_ms);
        let db = rusqlite::Connection::open(layout.runs_db()).unwrap();
        db.execute_batch(FAULTS).unwrap();
        let mut dice = Dice::new(seed ^ 0x5eed);
        let cases = cases(&mut dice);
        let told = format!("seed {seed}, start {}", UtcMs::new(start_ms).unwrap());
        let (since, world) = (BTreeMap::new(), Rc::new(RefCell::new(world)));
        let upto = BTreeMap::new();
        Self { world, layout, cases, db, since, deaths: 0, told, upto, _root: root }
    }

    fn works(&self) -> JobSchedules {
        JobSchedules::new(self.cases.iter().map(|case| case.work.clone()).collect()).unwrap()
    }

    fn open(&self) -> Service<Hand> {
        let disk = RealDisk::new(self.layout.data());
        let store = RunStore::open(&disk, &self.layout).unwrap();
        let (hand, mouth) = (Hand(Rc::clone(&self.world)), Mouth(Rc::clone(&self.world)));
        let settings = ServiceSettings {
            most: PLACES.unsigned_abs(),
            machine: "m".to_owned(),
            boot: "b".to_owned(),
            build: "x".to_owned(),
        };
        Service::new(store, hand, Box::new(mouth), self.works(), settings)
    }

    /// Lets a service live until its fuse has burnt down, or it has lived long enough.
    fn live(&mut self, turns: u64) {
        let world = Rc::clone(&self.world);
        let done = catch_unwind(AssertUnwindSafe(|| {
            let mut service = self.open();
            let now = world.borrow().now();
            service.take_over(now).unwrap();
            for _ in 0..turns {
                let now = world.borrow().now();
                service.turn(now).unwrap();
                self.look();
                self.weather(&world);
            }
        }));
        world.borrow_mut().bury();
        self.fault("none");
        if let Err(cause) = done {
            if cause.downcast_ref::<Death>().is_none() {
                let lines = world.borrow().lines.clone();
                for line in lines.iter().rev().take(20).rev() {
                    say(line);
                }
                say(&self.told);
                resume_unwind(cause);
            }
            self.deaths += 1;
        }
    }

    /// Notes from where each schedule counts, once it is known.
    fn look(&mut self) {
        if self.since.len() == self.cases.len() {
            return;
        }
        for case in &self.cases {
            let select = "SELECT watermark_ms FROM schedules WHERE schedule = ?1";
            let found = self.db.query_row(select, [&case.work.name], |row| row.get::<_, i64>(0));
            if let Ok(upto) = found {
                self.since.entry(case.work.name.clone()).or_insert(UtcMs::new(upto).unwrap());
            }
        }
    }

    /// Time passes; sometimes in jumps, sometimes backwards, sometimes with a database that refuses.
    fn weather(&self, world: &Shared) {
        let mut world = world.borrow_mut();
        let time = 500 + world.dice.below(9_000);
        world.pass(Duration::from_millis(time));
        match world.dice.below(600) {
            0 => world.wall_ms += i64::try_from(world.dice.below(3_600_000)).unwrap(),
            1 => world.wall_ms -= i64::try_from(world.dice.below(3_600_000)).unwrap(),
            2 | 3 => {
                let asleep = Duration::from_secs(world.dice.below(1_800));
                world.pass(asleep);
            }
            4..8 => self.fault("runs"),
            8..12 => self.fault("schedules"),
            12..50 => self.fault("none"),
            50 => self.pause(),
            51..60 => {
                self.db.execute("DELETE FROM pauses", []).unwrap();
            }
            _ => {}
        }
    }

    fn pause(&self) {
        let pause = Pause { reason: "r".into(), who: "w".into(), since: UtcMs::EPOCH, until: None };
        let insert = "INSERT INTO pauses (job, reason, who, since_ms) VALUES ('j0', ?1, ?2, 0) ON CONFLICT DO NOTHING";
        self.db.execute(insert, (pause.reason, pause.who)).unwrap();
    }

    fn fault(&self, what: &str) {
        self.db.execute("UPDATE fault SET what = ?1", [what]).unwrap();
    }

    /// A service without trouble, until nothing waits.
    fn calm(&mut self) {
        self.db.execute("DELETE FROM pauses", []).unwrap();
        let world = Rc::clone(&self.world);
        let mut service = self.open();
        let now = world.borrow().now();
        service.take_over(now).unwrap();
        for n in 0..20_000 {
            let now = world.borrow().now();
            service.turn(now).unwrap();
            self.look();
            if n == 200 {
                let disk = RealDisk::new(self.layout.data());
                let store = RunStore::open(&disk, &self.layout).unwrap();
                self.upto = store.watermarks().unwrap();
                service.reload(JobSchedules::default());
                assert!(store.watermarks().unwrap().is_empty(), "what is gone is forgotten");
            }
            if n > 200 {
                service.end_all(now);
            }
            if n > 200 && service.is_idle() && self.count("state IN ('queued', 'running')") == 0 {
                return;
            }
            world.borrow_mut().pass(Duration::from_secs(1));
        }
        panic!("it never came to rest: {}", self.told);
    }

    fn count(&self, test: &str) -> i64 {
        let select = format!("SELECT COUNT(*) FROM runs WHERE {test}");
        self.db.query_row(&select, [], |row| row.get(0)).unwrap()
    }

    /// What must be so in the end, whatever happened. Returns how many slots there were.
    fn judge(&self) -> usize {
        let disk = RealDisk::new(self.layout.data());
        let store = RunStore::open(&disk, &self.layout).unwrap();
        let mut slots = 0;
        for case in &self.cases {
            slots += self.judge_slots(case, &store);
            self.judge_overlap(case);
        }
        self.judge_stretches();
        self.judge_places();
        slots
    }

    fn records(store: &RunStore, name: &str) -> Vec<RunRecord> {
        let schedule = Some(name.to_owned());
        let filter = RunFilter { schedule, limit: Some(u32::MAX), ..RunFilter::default() };
        store.list(&filter).unwrap()
    }

    fn judge_slots(&self, case: &Case, store: &RunStore) -> usize {
        let name = &case.work.name;
        let told = format!("{}: {name}", self.told);
        let since = self.since[name];
        let upto = self.upto[name];
        let expected: BTreeSet<i64> = match (&case.line, &case.work.schedule.due) {
            (Some(line), _) => line.slots(since.get(), upto.get()).into_iter().collect(),
            (None, Trigger::At(Cadence::Every(step))) => {
                let step = i64::try_from(step.as_millis()).unwrap();
                let first = since.get().div_euclid(step) + 1;
                (first..=upto.get().div_euclid(step)).map(|n| n * step).collect()
            }
            _ => unreachable!("every cron line has its slow way"),
        };
        let found: Vec<RunRecord> = Self::records(store, name);
        let mut slots: Vec<i64> =
            found.iter().map(|run| run.due.as_ref().unwrap().1.get()).collect();
        slots.sort_unstable();
        assert_eq!(slots, expected.iter().copied().collect::<Vec<_>>(), "{told}");
        for run in &found {
            assert!(run.state.is_over(), "{told}: {run:?}");
        }
        let delay_ms = case.work.delay_ms("m");
        let last = self.world.borrow().wall_ms - delay_ms - 300_000;
        if let Some(line) = &case.line {
            let due = line.slots(upto.get(), last);
            assert!(due.is_empty(), "{told}: forgot {due:?}");
        }
        expected.len()
    }

    /// No two runs of a schedule at once, unless it allows that.
    fn judge_overlap(&self, case: &Case) {
        if case.work.terms.overlap == Overlap::Allow {
            return;
        }
        let stem = format!("{}_", case.work.stem());
        let world = self.world.borrow();
        let mut own: Vec<_> =
            world.stretches.iter().filter(|s| s.run.as_str().starts_with(&stem)).collect();
        own.sort_by_key(|stretch| stretch.from);
        for pair in own.windows(2) {
            let to = pair[0].to.unwrap();
            assert!(to <= pair[1].from, "{}: {pair:?} at once", self.told);
        }
    }

    /// No more at once than may be, whoever started them.
    fn judge_places(&self) {
        let world = self.world.borrow();
        let ends = world.stretches.iter().map(|stretch| (stretch.to.unwrap(), -1));
        let mut changes: Vec<_> = world.stretches.iter().map(|s| (s.from, 1)).chain(ends).collect();
        changes.sort_unstable();
        let mut at_once = 0;
        for (when, change) in changes {
            at_once += change;
            assert!(
                at_once <= PLACES,
                "{}: {at_once} at once, {when:?} after the start",
                self.told
            );
        }
    }

    /// No attempt works twice, and no run in two attempts at once.
    fn judge_stretches(&self) {
        let world = self.world.borrow();
        let mut seen = BTreeMap::new();
        for stretch in &world.stretches {
            let twice = seen.insert((stretch.run.clone(), stretch.attempt), stretch.clone());
            assert!(twice.is_none(), "{}: {stretch:?} and {twice:?}", self.told);
        }
        for ((run, attempt), stretch) in &seen {
            if let Some(next) = seen.get(&(run.clone(), attempt + 1)) {
                assert!(stretch.to.unwrap() <= next.from, "{}: {stretch:?} {next:?}", self.told);
            }
        }
    }
}

/// A database that refuses at the place a test asks for.
const FAULTS: &str = "
    CREATE TABLE fault (what TEXT NOT NULL);
    INSERT INTO fault VALUES ('none');
    CREATE TRIGGER no_runs BEFORE INSERT ON runs WHEN (SELECT what FROM fault) = 'runs'
        BEGIN SELECT abs(-9223372036854775808); END;
    CREATE TRIGGER no_insert AFTER INSERT ON schedules WHEN (SELECT what FROM fault) = 'schedules'
        BEGIN SELECT abs(-9223372036854775808); END;
    CREATE TRIGGER no_update AFTER UPDATE ON schedules WHEN (SELECT what FROM fault) = 'schedules'
        BEGIN SELECT abs(-9223372036854775808); END;";

#[expect(clippy::print_stderr, reason = "a test that failed says what led to it")]
fn say(line: &str) {
    eprintln!("{line}");
}

fn life(seed: u64, change: &str) -> (usize, u32) {
    let change: UtcMs = change.parse().unwrap();
    let mut story = Story::new(seed, change.get() - BEFORE_MS);
    let mut dice = Dice::new(seed ^ 0xd1ce);
    // How many of the fuses burn down within one life is up to the dice, which all runs share: who starts first changes all that follows.
    while story.world.borrow().up < LIFE || story.deaths < DEATHS {
        let fuse = match dice.below(3) {
            0 => Some(dice.below(60)),
            1 => Some(dice.below(4_000)),
            _ => None,
        };
        story.world.borrow_mut().fuse = fuse;
        story.live(1 + dice.below(900));
        let down = [0, 5, 70, 400, 3_600][usize::try_from(dice.below(5)).unwrap()];
        story.world.borrow_mut().pass(Duration::from_secs(dice.below(down + 1)));
    }
    story.calm();
    (story.judge(), story.deaths)
}

/// Lives around one change of the clocks, each with its slots and its deaths.
fn lives(change: usize) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<Death>().is_none() {
                usual(info);
            }
        }));
    });
    for seed in seeds("MJOLNIR_SCHEDULE_SEEDS", 1) {
        let (slots, deaths) = life(seed * 10 + change as u64, CHANGES[change]);
        assert!(slots >= 2_500 && deaths >= DEATHS, "seed {seed}: {slots} slots, {deaths} deaths");
    }
}

#[test]
fn c16_every_slot_has_one_record_when_new_york_jumps_ahead() {
    lives(0);
}

#[test]
fn c16_every_slot_has_one_record_when_berlin_jumps_ahead() {
    lives(1);
}

#[test]
fn c16_every_slot_has_one_record_when_berlin_falls_back() {
    lives(2);
}

#[test]
fn c16_every_slot_has_one_record_when_new_york_falls_back() {
    lives(3);
}
