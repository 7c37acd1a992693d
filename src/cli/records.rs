//! The run records as verbs see them: opened when there are any, searched by what people call a run, watched until it is over.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::planned;
use crate::{
    domain::{
        ids::{NameError, RunId},
        time::UtcMs,
    },
    exit::Exit,
    jobs::context::Failure,
    store::{
        disk::RealDisk,
        layout::Layout,
        lock::is_held,
        runs::{RunFilter, RunRecord, RunState, RunStore},
    },
};

/// Candidates that a message names.
const NAMED_MAX: usize = 5;

/// The run records below a root.
pub struct Records {
    pub root: PathBuf,
    pub disk: RealDisk,
    pub layout: Layout,
    pub store: RunStore,
}

impl Records {
    /// Opens the records; a failure with exit code 4 when nothing was ever recorded here.
    pub fn open(root: &Path) -> Result<Self, Failure> {
        Self::open_if_any(root)?.ok_or_else(|| {
            let message = format!("no run is recorded here: {} holds none", root.display());
            Failure::new(Exit::Nothing, message)
        })
    }

    /// Opens the records, if there are any.
    pub fn open_if_any(root: &Path) -> Result<Option<Self>, Failure> {
        if Layout::new(&absolute(root)?).runs_db().is_file() {
            Self::create(root).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Opens the records, and begins them when there are none.
    pub fn create(root: &Path) -> Result<Self, Failure> {
        let root = absolute(root)?;
        let layout = Layout::new(&root);
        let disk = RealDisk::new(layout.data());
        let store = RunStore::open(&disk, &layout)?;
        Ok(Self { root, disk, layout, store })
    }

    /// The newest runs first.
    pub fn list(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, Failure> {
        Ok(self.store.list(filter)?)
    }

    /// What people call a run: its id, the beginning of it if it is the only one, or a job, of which the newest run is meant.
    pub fn find(&self, word: &str) -> Result<RunRecord, Failure> {
        let id: Result<RunId, NameError> = word.parse();
        if let Ok(id) = &id
            && let Some(run) = self.store.get(id)?
        {
            return Ok(run);
        }
        if let Some(run) =
            self.of_job(word, &RunFilter { limit: Some(1), ..RunFilter::default() })?.pop()
        {
            return Ok(run);
        }
        let all = self.list(&RunFilter { limit: Some(u32::MAX), ..RunFilter::default() })?;
        let mut begun: Vec<RunRecord> =
            all.into_iter().filter(|run| run.run_id.as_str().starts_with(word)).collect();
        match begun.len() {
            1 => begun.pop().ok_or_else(|| none(word)),
            0 if planned::exists(&self.root, word) => {
                Err(Failure::new(Exit::Nothing, format!("no run of job `{word}` is recorded")))
            }
            0 => match id {
                Ok(_) => Err(none(word)),
                Err(error) => Err(Failure::new(Exit::Usage, error.to_string())),
            },
            _ => Err(ambiguous(word, &begun, "is the beginning of")),
        }
    }

    /// The same; but of a job the newest run is meant that fits, where one does: a slot that was skipped has nothing to show.
    pub fn find_that(
        &self,
        word: &str,
        fits: impl Fn(&RunRecord) -> bool,
    ) -> Result<RunRecord, Failure> {
        let found = self.find(word)?;
        if found.run_id.as_str() == word || fits(&found) {
            return Ok(found);
        }
        let all = RunFilter { limit: Some(u32::MAX), ..RunFilter::default() };
        let fitting = self.of_job(word, &all)?.into_iter().find(fits);
        Ok(fitting.unwrap_or(found))
    }

    /// The newest runs of a job, or of all jobs of its matrix, within a filter.
    pub fn of_job(&self, word: &str, filter: &RunFilter) -> Result<Vec<RunRecord>, Failure> {
        let mut runs = Vec::new();
        for job in self.names_of(word) {
            runs.extend(self.list(&RunFilter { job: Some(job), ..filter.clone() })?);
        }
        // Stable: of those that started at once, the later one stays first.
        runs.sort_by_key(|run| std::cmp::Reverse(run.started));
        runs.truncate(filter.limit.unwrap_or(u32::MAX) as usize);
        Ok(runs)
    }

    /// A job as records may know it: by this word, or by the names in the manifest that the word finds, several of a matrix.
    pub fn names_of(&self, word: &str) -> Vec<String> {
        let mut names = vec![word.to_owned()];
        names.extend(planned::job_names(&self.root, word).into_iter().filter(|name| name != word));
        names
    }

    /// How a run stands. One whose process is gone without a word is `lost`, also when nobody has recorded that yet.
    pub fn state_of(&self, id: &RunId) -> Result<RunRecord, Failure> {
        let get = || -> Result<RunRecord, Failure> {
            self.store.get(id)?.ok_or_else(|| none(id.as_str()))
        };
        let seen = get()?;
        if seen.state != RunState::Running || is_held(&self.layout.run_lock(id)) {
            return Ok(seen);
        }
        // It ran a moment ago and its process is gone: what is recorded now is the end of it.
        let last = get()?;
        let is_gone = last.state == RunState::Running && last.attempt == seen.attempt;
        Ok(if is_gone { RunRecord { state: RunState::Lost, ..last } } else { last })
    }
}

/// Several runs that a word may mean.
pub fn ambiguous(word: &str, runs: &[RunRecord], how: &str) -> Failure {
    let ids: Vec<&str> = runs.iter().take(NAMED_MAX).map(|run| run.run_id.as_str()).collect();
    let rest = runs.len().saturating_sub(NAMED_MAX);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let (count, ids) = (runs.len(), ids.join(", "));
    let message =
        format!("`{word}` {how} {count} runs: {ids}{more}; give the whole id of one of them");
    Failure::new(Exit::Usage, message)
}

fn none(word: &str) -> Failure {
    let message = format!("`{word}` is neither a run nor a job: `runner history` lists the runs");
    Failure::new(Exit::Nothing, message)
}

fn absolute(root: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(root).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// A run as a document.
pub fn run_json(run: &RunRecord) -> Value {
    let id = |id: &Option<RunId>| id.as_ref().map(|id| id.as_str().to_owned());
    json!({
        "run_id": run.run_id.as_str(), "job": run.job, "kind": run.kind, "state": run.state.name(),
        "started_ms": run.started.get(), "ended_ms": run.ended.map(UtcMs::get),
        "exit_code": run.exit_code, "summary": run.summary, "build": run.build,
        "parent": id(&run.parent), "pid": run.pid,
        "schedule": run.due.as_ref().map(|(schedule, _)| schedule),
        "slot_ms": run.due.as_ref().map(|(_, slot)| slot.get()),
        "attempt": run.attempt, "retry_of": id(&run.retry_of),
        "not_before_ms": run.not_before.map(UtcMs::get),
    })
}
