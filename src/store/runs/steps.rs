//! How the steps of a pipeline stand: `steps.json` in the folder of its run, replaced at every change. A run that waits for an approval
//! goes on from it, and so does a retry from a step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::{disk::Disk, document::document, error::StoreError, layout::Layout},
};

/// Version of the document.
const SCHEMA: &str = "mjolnir.steps/1";

/// How a step, or one of its items, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not yet its turn.
    Waiting,
    /// Its turn has come, and it waits for an approval.
    Asking,
    /// At work.
    Running,
    /// Done as expected.
    Succeeded,
    /// Not run: its inputs are those of an earlier run, and its outputs are still those which that run left.
    UpToDate,
    /// Not run: it succeeded in the run that this one repeats.
    Kept,
    /// Done, but not as expected.
    Failed,
    /// Its condition did not come true.
    Skipped,
    /// Not run and not done: this run is about another step.
    Left,
}

impl StepState {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Asking => "asking",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::UpToDate => "up_to_date",
            Self::Kept => "kept",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Left => "left",
        }
    }

    /// Whether nothing more happens to it.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Asking | Self::Running)
    }

    /// Whether what it is for is done.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Succeeded | Self::UpToDate | Self::Kept)
    }
}

/// All steps of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepsRecord {
    pub schema: String,
    pub run_id: String,
    pub job: String,
    /// The attempt whose steps these are.
    pub attempt: u32,
    /// Which run this one goes on from, and how.
    #[serde(default)]
    pub retry: Option<StepsRetry>,
    pub steps: Vec<StepRecord>,
}

/// Which run is repeated in part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepsRetry {
    pub run_id: String,
    pub part: RetryPart,
    pub step: String,
}

/// Which steps of a run are run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryPart {
    /// This one, all that need it, and all that did not succeed.
    From,
    /// This one alone.
    Only,
}

impl RetryPart {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::Only => "only",
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    pub id: String,
    pub state: StepState,
    /// What is asked before it starts, and the answer.
    #[serde(default)]
    pub approve: Option<StepApproval>,
    /// One for each item; one without an item where the step has none.
    pub tasks: Vec<StepTask>,
}

/// What is asked before a step starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepApproval {
    pub text: String,
    /// When its turn came.
    pub asked_ms: Option<i64>,
    pub who: Option<String>,
    pub reason: Option<String>,
    /// When it was approved.
    pub given_ms: Option<i64>,
}

/// One item of a step, or all of a step without items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTask {
    /// What `${each}` is for it.
    pub item: Option<String>,
    /// How it is called in names of files and runs.
    pub name: Option<String>,
    pub state: StepState,
    pub exit: Option<i32>,
    /// The run of its job.
    pub run_id: Option<String>,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    /// Why it did not succeed, where that is more than an exit code.
    pub said: Option<String>,
    /// Digest of what it was made of, where the step has inputs.
    pub hash: Option<String>,
    /// The run that did the work, where that was another one.
    pub of_run: Option<String>,
    /// What it put out.
    pub out: BTreeMap<String, String>,
}

impl StepTask {
    /// One that has not started.
    pub fn waiting(item: Option<(String, String)>) -> Self {
        let (item, name) = item.unzip();
        Self {
            item,
            name,
            state: StepState::Waiting,
            exit: None,
            run_id: None,
            started_ms: None,
            ended_ms: None,
            said: None,
            hash: None,
            of_run: None,
            out: BTreeMap::new(),
        }
    }
}

impl StepsRecord {
    /// Of a run that begins.
    pub fn new(
        (run, attempt): (&RunId, u32),
        job: &str,
        retry: Option<StepsRetry>,
        steps: Vec<StepRecord>,
    ) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            run_id: run.to_string(),
            job: job.to_owned(),
            attempt,
            retry,
            steps,
        }
    }

    /// That of a run; `None` where it left none, because it is not a pipeline or an older build ran it.
    pub fn read<D: Disk>(
        disk: &D,
        layout: &Layout,
        run: &RunId,
    ) -> Result<Option<Self>, StoreError> {
        let path = layout.run_steps(run);
        let Some(bytes) = disk.read(&path)? else { return Ok(None) };
        let found: Self = serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::damaged(&path, 0, error.to_string()))?;
        if found.schema != SCHEMA {
            let why = format!("its schema is `{}`, this build reads {SCHEMA}", found.schema);
            return Err(StoreError::damaged(&path, 0, why));
        }
        Ok(Some(found))
    }

    /// Replaces what is on the disk.
    pub fn write<D: Disk>(&self, disk: &D, layout: &Layout) -> Result<(), StoreError> {
        let run: RunId = self.run_id.parse().expect("it is that of the run");
        Ok(disk.replace(&layout.run_steps(&run), document(self).as_bytes())?)
    }

    pub fn step(&self, id: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The steps that wait for an approval.
    pub fn asking(&self) -> impl Iterator<Item = (&StepRecord, &StepApproval)> {
        let asks = |step: &&StepRecord| step.state == StepState::Asking;
        self.steps.iter().filter(asks).filter_map(|step| Some((step, step.approve.as_ref()?)))
    }
}

/// That a step may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub step: String,
    /// Who said so.
    pub who: String,
    pub reason: String,
    pub at: UtcMs,
}
