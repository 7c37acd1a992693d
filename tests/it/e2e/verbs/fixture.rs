//! Records made by hand, and jobs that sleep.

use std::time::Duration;

use mjolnir::{
    clock::nap,
    domain::{ids::RunId, time::UtcMs},
    store::{
        disk::RealDisk,
        layout::Layout,
        lock::{Lock, Owner},
        runs::{RunFilter, RunFolder, RunRecord, RunState, RunStore},
    },
};

use crate::support::runner::Root;

/// The longest a test waits for a record.
const PATIENCE: Duration = Duration::from_mins(3);

pub fn store(root: &Root) -> (RealDisk, Layout, RunStore) {
    let layout = Layout::new(root.path());
    let disk = RealDisk::new(layout.data());
    let store = RunStore::open(&disk, &layout).unwrap();
    (disk, layout, store)
}

/// A record of a run that started at `ms`.
pub fn record(id: &str, job: &str, state: RunState, ms: i64) -> RunRecord {
    RunRecord {
        ended: state.is_over().then(|| UtcMs::new(ms + 1500).unwrap()),
        exit_code: state.is_over().then_some(0),
        summary: format!("summary of {id}"),
        ..RunRecord::first(id.parse().unwrap(), (job, "exec"), state, UtcMs::new(ms).unwrap(), "b")
    }
}

/// Puts records there.
pub fn recorded(root: &Root, runs: &[RunRecord]) {
    let (_, _, store) = store(root);
    for run in runs {
        store.start(run).unwrap();
    }
}

/// A run that goes on for as long as the lock is held, which names this process id.
pub fn alive(root: &Root, id: &str, job: &str, pid: u32) -> Lock {
    let (disk, layout, store) = store(root);
    let run = record(id, job, RunState::Running, 1_772_323_200_000);
    let folder = RunFolder::create(&disk, &layout, &run.run_id).unwrap();
    folder.write_manifest("[run]\ngrace = \"0s\"\n").unwrap();
    let owner = Owner { pid, run_id: run.run_id.clone(), job: job.into(), since: UtcMs::EPOCH };
    let lock = Lock::take(&layout.run_lock(&run.run_id), &owner).unwrap();
    store.start(&run).unwrap();
    lock
}

/// A job that sleeps for a minute, and has as long to stop.
pub fn sleeper(root: &Root, name: &str) {
    root.write(
        &format!("jobs/{name}.toml"),
        &format!(
            "manifest = 1\nname = '{name}'\nkind = 'exec'\n[exec]\nrun = ['sleep', '60']\n[run]\ngrace = '1m'\n"
        ),
    );
}

/// Waits until a run of a job stands like this, and returns it.
pub fn await_state(root: &Root, job: &str, state: RunState) -> RunRecord {
    let mut left = PATIENCE;
    loop {
        let (_, _, store) = store(root);
        let filter =
            RunFilter { job: Some(job.into()), state: Some(state), ..RunFilter::default() };
        if let Some(run) = store.list(&filter).unwrap().pop() {
            return run;
        }
        nap(Duration::from_millis(20));
        left = left.checked_sub(Duration::from_millis(20)).expect("the state comes in time");
    }
}

pub fn state_of(root: &Root, id: &str) -> RunState {
    let id: RunId = id.parse().unwrap();
    store(root).2.get(&id).unwrap().unwrap().state
}
