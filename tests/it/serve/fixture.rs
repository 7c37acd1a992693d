//! A root with jobs of a test's own, and a service that works there.

use std::{path::Path, time::Duration};

use mjolnir::{
    clock::{Clock as _, SystemClock, nap},
    domain::time::UtcMs,
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{DecidedSchedule, RunFilter, RunRecord, RunState, RunStore},
    },
};

use crate::support::runner::{Call, Root, Running};

/// The longest a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_mins(3);

/// A root without the shipped jobs.
pub fn empty() -> Root {
    let root = Root::new();
    for name in root.list("jobs") {
        root.remove(&format!("jobs/{name}"));
    }
    root
}

/// A manifest of a line of shell, with more tables behind.
pub fn job(name: &str, script: &str, tables: &str) -> String {
    format!(
        "manifest = 1\nname = \"{name}\"\nkind = \"exec\"\ndescription = \"a test\"\n\
         [exec]\nrun = [\"sh\", \"-c\", '''{script}''']\n{tables}\n"
    )
}

/// A root with one job, `j`.
pub fn with(script: &str, tables: &str) -> Root {
    let root = empty();
    root.write("jobs/j.toml", &job("j", script, tables));
    root
}

/// `runner serve`, with more words.
pub fn serve<'r>(root: &'r Root, more: &str) -> Call<'r> {
    root.call(&format!("serve --no-listen {more}"))
}

pub fn store(root: &Root) -> RunStore {
    let layout = Layout::new(root.path());
    RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap()
}

/// Every record, oldest first.
pub fn runs(root: &Root) -> Vec<RunRecord> {
    if !root.at("data/runs/runs.sqlite").exists() {
        return Vec::new();
    }
    let all = RunFilter { limit: Some(u32::MAX), ..RunFilter::default() };
    let mut runs = store(root).list(&all).unwrap();
    runs.reverse();
    runs
}

/// How many records of a job are in a state.
pub fn count(root: &Root, job: &str, state: RunState) -> usize {
    runs(root).iter().filter(|run| run.job == job && run.state == state).count()
}

/// Waits until something is so.
pub fn until(told: &str, mut is_so: impl FnMut() -> bool) {
    let mut left = PATIENCE;
    while !is_so() {
        let pause = Duration::from_millis(50);
        nap(pause);
        left = left.checked_sub(pause).unwrap_or_else(|| panic!("it did not come: {told}"));
    }
}

/// Waits until a file is there.
pub fn until_file(root: &Root, inside: &str) {
    until(inside, || !root.read(inside).trim().is_empty());
}

/// Waits until a job has so many records in a state.
pub fn until_count(root: &Root, job: &str, state: RunState, most: usize) {
    until(&format!("{most} of {job} {}", state.name()), || count(root, job, state) >= most);
}

/// Waits until a service has had its first turn.
pub fn until_up(root: &Root, service: &Running) {
    let pid = format!("\"pid\": {},", service.pid());
    until("the service works", || root.read("data/state/scheduler.json").contains(&pid));
}

/// Asks a service to end, and waits until it has.
pub fn end(service: Running) -> crate::support::ran::Ran {
    service.signal("TERM");
    service.end()
}

/// Whether a process is there, by its number in a file.
pub fn is_alive(root: &Root, inside: &str) -> bool {
    let pid = root.read(inside);
    assert!(!pid.trim().is_empty(), "{inside} names a process");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    Path::new("/proc").is_dir() && !stat.is_empty() && !stat.contains(") Z ")
}

/// Lets a schedule look as if a service had worked until so many seconds ago.
pub fn seen(root: &Root, schedule: &str, fingerprint: &str, ago_s: i64) -> UtcMs {
    let upto = SystemClock.now().plus_ms(-ago_s * 1_000);
    let decided = DecidedSchedule { fingerprint: fingerprint.to_owned(), upto, boot: None };
    store(root).decide(schedule, &decided, &[]).unwrap();
    upto
}

/// The slots of a schedule follow each other at this distance, each with one record.
#[track_caller]
pub fn assert_unbroken(root: &Root, schedule: &str, step_ms: i64) -> usize {
    let mut slots: Vec<i64> = runs(root)
        .iter()
        .filter_map(|run| run.due.as_ref())
        .filter(|(name, _)| name == schedule)
        .map(|(_, slot)| slot.get())
        .collect();
    slots.sort_unstable();
    for pair in slots.windows(2) {
        assert_eq!(pair[1] - pair[0], step_ms, "{slots:?}");
    }
    slots.len()
}
