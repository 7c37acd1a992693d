//! Takes away what old runs left behind, once an hour, in a thread of its own: the loop of the service never waits for it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::{Clock as _, SystemClock, nap},
    os::machine::set_nice,
    store::{
        disk::RealDisk,
        error::StoreError,
        layout::Layout,
        runs::{Keep, RunStore, Sweeper, Swept},
    },
};

/// Between two sweeps.
const PAUSE: Duration = Duration::from_hours(1);

/// Behind everybody else who wants the processor.
const LAST: u32 = 19;

/// How much the runs of each job may leave behind, by the name of the job.
pub type RetentionRules = BTreeMap<String, Keep>;

/// The sweeper of a service.
#[derive(Debug, Clone, Default)]
pub struct Retention(Arc<Mutex<RetentionRules>>);

impl Retention {
    /// Sweeps now, and then every hour, for as long as this process lives.
    pub fn start(root: &Path, keeps: RetentionRules) -> Self {
        let broom = Self(Arc::new(Mutex::new(keeps)));
        let (own, root) = (broom.clone(), root.to_owned());
        std::thread::spawn(move || own.work(&root));
        broom
    }

    /// Goes by other bounds from the next sweep on.
    pub fn set(&self, keeps: RetentionRules) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keeps;
    }

    fn work(&self, root: &Path) {
        // Of this thread alone. A first sweep may have years to take away, and nobody waits for it.
        if let Err(error) = set_nice(LAST) {
            tracing::debug!("a sweep does not stand back: {error}");
        }
        loop {
            let keeps = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match sweep(root, &keeps) {
                Ok(swept) => {
                    let Swept { records, folders, bytes, .. } = swept;
                    tracing::info!(records, folders, bytes, "old runs were taken away");
                    for (run, why) in &swept.left {
                        tracing::warn!("run {run} was to be taken away, and stays: {why}");
                    }
                }
                Err(error) => tracing::warn!("old runs were not taken away: {error}"),
            }
            nap(PAUSE);
        }
    }
}

/// One sweep over all jobs that have records; those without bounds of their own are held to the usual ones.
fn sweep(root: &Path, keeps: &RetentionRules) -> Result<Swept, StoreError> {
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    let store = RunStore::open(&disk, &layout)?;
    let sweeper = Sweeper { store: &store, disk: &disk, layout: &layout, now: SystemClock.now() };
    let mut all = sweeper.strays()?;
    for job in store.jobs()? {
        let keep = keeps.get(&job).copied().unwrap_or_default();
        all.add(sweeper.job(&job, &keep)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::time::DAY_MS,
        store::runs::{RunEnd, RunFilter, RunFolder, RunRecord, RunState},
    };

    fn record(store: &RunStore, disk: &RealDisk, layout: &Layout, job: &str, days_ago: i64) {
        let at = SystemClock.now().plus_ms(-days_ago * DAY_MS);
        let run = RunRecord::first(
            format!("{job}_{days_ago}").parse().unwrap(),
            (job, "exec"),
            RunState::Running,
            at,
            "b",
        );
        store.start(&run).unwrap();
        RunFolder::create(disk, layout, &run.run_id).unwrap().append_log(b"x\n").unwrap();
        let end = RunEnd { state: RunState::Succeeded, exit_code: 0, summary: "ok".into(), at };
        store.finish(&run.run_id, &end).unwrap();
    }

    #[test]
    fn every_job_is_held_to_its_own_bounds_or_to_the_usual_ones() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let disk = RealDisk::new(layout.data());
        let store = RunStore::open(&disk, &layout).unwrap();
        for job in ["strict", "usual"] {
            for days_ago in [40, 9, 8, 1] {
                record(&store, &disk, &layout, job, days_ago);
            }
        }
        let keeps =
            RetentionRules::from([("strict".to_owned(), Keep { days: 7, ..Keep::default() })]);
        sweep(temp.path(), &keeps).unwrap();
        let mut left: Vec<String> = store
            .list(&RunFilter::default())
            .unwrap()
            .iter()
            .map(|run| run.run_id.to_string())
            .collect();
        left.sort();
        assert_eq!(left, ["strict_1", "usual_1", "usual_8", "usual_9"]);
        assert!(!layout.run_dir(&"usual_40".parse().unwrap()).exists());
    }
}
