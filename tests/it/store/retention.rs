//! What runs left behind is taken away, oldest first, and never what is still needed; on disks that fail, too.

use std::{os::unix::fs::symlink, path::Path};

use mjolnir::{
    domain::time::UtcMs,
    store::{
        disk::{Disk, RealDisk},
        layout::Layout,
        lock::{Lock, Owner},
        runs::{DecidedSchedule, Keep, RunFilter, RunRecord, RunState, RunStore, Sweeper, Swept},
    },
};
use tempfile::TempDir;

use crate::support::sim_disk::{Death, Fault, SimDisk};

const DAY: i64 = 86_400_000;
const ALL: Keep = Keep { days: 36_500, runs: u32::MAX, bytes: u64::MAX };

struct Place {
    temp: TempDir,
    layout: Layout,
    store: RunStore,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let store = RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
        Self { temp, layout, store }
    }

    fn disk(&self) -> RealDisk {
        RealDisk::new(self.layout.data())
    }

    /// A run that ended on a day, with a folder of 100 bytes.
    fn run(&self, disk: &impl Disk, id: &str, day: i64, state: RunState) -> RunRecord {
        let at = UtcMs::new(day * DAY).unwrap();
        let run = RunRecord {
            ended: state.is_over().then_some(at),
            ..RunRecord::first(id.parse().unwrap(), ("j", "exec"), state, at, "b")
        };
        let dir = self.layout.run_dir(&run.run_id);
        disk.create_dir_all(&dir).unwrap();
        disk.replace(&dir.join("log.jsonl"), &[b'x'; 100]).unwrap();
        run
    }

    fn ids(&self) -> Vec<String> {
        let runs = self.store.list(&RunFilter::default()).unwrap();
        runs.iter().rev().map(|run| run.run_id.to_string()).collect()
    }

    fn sweep<D: Disk>(&self, disk: &D, keep: &Keep, day: i64) -> Swept {
        let now = UtcMs::new(day * DAY).unwrap();
        let sweeper = Sweeper { store: &self.store, disk, layout: &self.layout, now };
        sweeper.job("j", keep).unwrap()
    }

    fn folders(&self) -> Vec<String> {
        let names = self.disk().list(&self.layout.runs_dir()).unwrap();
        names.into_iter().filter(|name| !name.starts_with("runs.sqlite")).collect()
    }
}

/// Ten successes, one on each day from 1 to 10, of 100 bytes each.
fn ten(place: &Place) -> RealDisk {
    let disk = place.disk();
    for day in 1..=10 {
        let run = place.run(&disk, &format!("r{day:02}"), day, RunState::Succeeded);
        place.store.start(&run).unwrap();
    }
    disk
}

#[test]
fn the_oldest_go_by_age_by_number_and_by_size() {
    for (keep, records) in [
        (Keep { days: 5, ..ALL }, 4),
        (Keep { runs: 3, ..ALL }, 7),
        (Keep { bytes: 450, ..ALL }, 6),
        (Keep { bytes: 0, ..ALL }, 10),
        (ALL, 0),
    ] {
        let place = Place::new();
        let disk = ten(&place);
        let swept = place.sweep(&disk, &keep, 10);
        let expected = Swept { records, folders: records, bytes: records * 100, left: Vec::new() };
        assert_eq!(swept, expected, "{keep:?}");
        let left: Vec<String> = (records + 1..=10).map(|day| format!("r{day:02}")).collect();
        assert_eq!((place.ids(), place.folders()), (left.clone(), left), "{keep:?}");
        assert_eq!(place.sweep(&disk, &keep, 10), Swept::default(), "a second time");
    }
}

#[test]
fn what_runs_or_waits_or_is_needed_stays_however_old_it_is() {
    let place = Place::new();
    let disk = place.disk();
    let make = |id: &str, day, state| place.run(&disk, id, day, state);
    let due = |run: RunRecord, schedule: &str| RunRecord {
        due: Some((schedule.into(), run.started)),
        ..run
    };
    let held = |run: &RunRecord| {
        let owner =
            Owner { pid: 1, run_id: run.run_id.clone(), job: "j".into(), since: run.started };
        Lock::take(&place.layout.run_lock(&run.run_id), &owner).unwrap()
    };
    let runs = [
        make("old", 1, RunState::Succeeded),
        due(make("slot1", 2, RunState::Succeeded), "j.a"),
        due(make("slot2", 3, RunState::Missed), "j.a"),
        due(make("slot3", 3, RunState::Succeeded), "j.b"),
        make("fail1", 4, RunState::Failed),
        make("fail2", 5, RunState::TimedOut),
        make("runs", 6, RunState::Running),
        make("waits", 6, RunState::Queued),
        make("held", 6, RunState::Succeeded),
        RunRecord {
            parent: Some("runs".parse().unwrap()),
            ..make("child", 6, RunState::Succeeded)
        },
        RunRecord {
            parent: Some("old".parse().unwrap()),
            ..make("orphan", 6, RunState::Succeeded)
        },
    ];
    let _alive = [held(&runs[6]), held(&runs[8])];
    for run in &runs {
        place.store.start(run).unwrap();
    }
    let nothing = Keep { days: 1, runs: 1, bytes: 1 };
    let swept = place.sweep(&disk, &nothing, 100);
    assert_eq!(swept.records, 4, "{:?}", place.ids());
    let stay = ["slot2", "slot3", "fail2", "runs", "waits", "held", "child"];
    assert_eq!(place.ids(), stay);
    let mut folders = stay.map(str::to_owned);
    folders.sort();
    assert_eq!(place.folders(), folders);
}

#[test]
fn links_are_not_followed_and_other_folders_are_not_touched() {
    let place = Place::new();
    let disk = ten(&place);
    let outside = place.temp.path().join("precious");
    disk.create_dir_all(&outside).unwrap();
    disk.replace(&outside.join("f"), b"gold").unwrap();
    // One link inside a folder, one in the place of a folder, one folder inside a folder.
    let dir = |id: &str| place.layout.runs_dir().join(id);
    symlink(&outside, dir("r01").join("link")).unwrap();
    disk.create_dir_all(&dir("r01").join("deep/er")).unwrap();
    disk.replace(&dir("r01").join("deep/er/f"), b"x").unwrap();
    disk.remove(&dir("r02").join("log.jsonl")).unwrap();
    disk.remove_dir(&dir("r02")).unwrap();
    symlink(&outside, dir("r02")).unwrap();
    disk.create_dir_all(&dir(".hidden")).unwrap();
    let swept = place.sweep(&disk, &Keep { bytes: 0, ..ALL }, 10);
    assert_eq!((swept.records, swept.folders, swept.left.len()), (10, 9, 1), "{swept:?}");
    assert!(swept.left[0].1.contains("is not a folder"), "{swept:?}");
    assert_eq!(disk.read(&outside.join("f")).unwrap().unwrap(), b"gold");
    assert_eq!(place.folders(), [".hidden", "r02"]);
}

#[test]
fn folders_without_a_record_go_when_they_are_a_day_old() {
    let place = Place::new();
    let disk = ten(&place);
    for name in ["stray", "-odd"] {
        disk.create_dir_all(&place.layout.runs_dir().join(name)).unwrap();
    }
    let changed = disk.look(&place.layout.runs_dir().join("stray")).unwrap().unwrap().changed;
    let at =
        |now| Sweeper { store: &place.store, disk: &disk, layout: &place.layout, now }.strays();
    assert_eq!(at(changed.plus_ms(DAY - 1_000)).unwrap(), Swept::default());
    let owner = Owner { pid: 1, run_id: "stray".parse().unwrap(), job: "j".into(), since: changed };
    let lock = Lock::take(&place.layout.run_lock(&"stray".parse().unwrap()), &owner).unwrap();
    let later = changed.plus_ms(2 * DAY);
    assert_eq!(at(later).unwrap().left.len(), 1, "it is alive");
    drop(lock);
    assert_eq!(at(later).unwrap().folders, 1);
    assert_eq!((place.ids().len(), place.folders().len()), (10, 11), "the others stay");
}

/// Whatever fails, and wherever a crash comes: no record without its folder, and the next sweep takes the rest.
#[test]
fn a_crash_or_an_error_in_a_sweep_leaves_no_record_without_its_folder() {
    let keep = Keep { runs: 1, ..ALL };
    let mut tried = 0;
    for fault in [Fault::Eio, Fault::CrashBefore, Fault::CrashAfter] {
        for n in 0.. {
            let place = Place::new();
            let disk = SimDisk::new(place.layout.data());
            for day in 1..=3 {
                let run = place.run(&disk, &format!("r{day}"), day, RunState::Succeeded);
                place.store.start(&run).unwrap();
            }
            let now = UtcMs::new(10 * DAY).unwrap();
            let sweeper = Sweeper { store: &place.store, disk: &disk, layout: &place.layout, now };
            disk.fail_at(n, fault);
            let done = sweeper.job("j", &keep);
            disk.restart(Death::Process);
            let has_folder = |id: &String| {
                let dir = place.layout.runs_dir().join(id);
                disk.peek(&dir.join("log.jsonl")).is_some()
            };
            assert!(place.ids().iter().all(has_folder), "{fault:?} {n}: {:?}", place.ids());
            sweeper.job("j", &keep).unwrap();
            sweeper.strays().unwrap();
            assert_eq!(place.ids(), ["r3"], "{fault:?} {n}");
            assert_eq!(disk.files().len(), 1, "{fault:?} {n}: {:?}", disk.files());
            tried += 1;
            if done.is_ok() {
                break;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn a_place_that_is_empty_is_swept_without_an_error() {
    let place = Place::new();
    let sweeper = Sweeper {
        store: &place.store,
        disk: &place.disk(),
        layout: &place.layout,
        now: UtcMs::EPOCH,
    };
    assert_eq!(sweeper.job("nosuch", &ALL).unwrap(), Swept::default());
    assert_eq!(sweeper.strays().unwrap(), Swept::default());
    assert!(Path::new(&place.layout.runs_db()).is_file());
}

/// How many transactions were committed since the database was made: the counter in the header of SQLite's index of its log.
fn commits(place: &Place) -> u32 {
    let mut path = place.layout.runs_db().into_os_string();
    path.push("-shm");
    let header = std::fs::read(path).unwrap();
    u32::from_ne_bytes(header[8..12].try_into().unwrap())
}

/// A box that ran for years without a sweep: 8,000 durable steps were half a minute of a disk that does nothing else.
#[test]
#[expect(clippy::disallowed_methods, reason = "ten thousand folders without a sync for each")]
fn ten_thousand_records_go_in_few_durable_steps() {
    let place = Place::new();
    let disk = place.disk();
    let state = |n| if n == 3 { RunState::Failed } else { RunState::Succeeded };
    let due = |n: i64| {
        let at = UtcMs::new(n * 60_000).unwrap();
        let id = format!("r{n:05}").parse().unwrap();
        RunRecord {
            ended: Some(at),
            due: Some(("j.1".into(), at)),
            ..RunRecord::first(id, ("j", "exec"), state(n), at, "b")
        }
    };
    let runs: Vec<RunRecord> = (0..10_000).map(due).collect();
    let upto = runs[9_999].started;
    let decided = DecidedSchedule { fingerprint: "f".into(), upto, boot: None };
    let before = commits(&place);
    place.store.decide("j.1", &decided, &runs).unwrap();
    assert_eq!(commits(&place) - before, 1, "the counter counts");
    for run in &runs {
        let dir = place.layout.run_dir(&run.run_id);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("log.jsonl"), [b'x'; 100]).unwrap();
    }
    let before = commits(&place);
    let swept = place.sweep(&disk, &Keep { runs: 2_000, ..ALL }, 10);
    let steps = commits(&place) - before;
    assert_eq!(swept, Swept { records: 8_000, folders: 8_000, bytes: 800_000, left: Vec::new() });
    assert_eq!(steps, 40);
    let left =
        place.store.list(&RunFilter { limit: Some(u32::MAX), ..RunFilter::default() }).unwrap();
    let expected: Vec<_> = runs[8_001..].iter().rev().chain([&runs[3]]).cloned().collect();
    assert_eq!(left, expected);
    assert_eq!(place.folders().len(), 2_000);
}
