//! What every job is given, and what it gives back.

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;

/// They are values of the bottom floor; jobs find them here.
pub use crate::outcome::{Failure, Outcome};
use crate::{
    checklist::Drawing,
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::UtcMs,
    },
    exit::Exit,
    os::{
        mask::Mask,
        process::{self, ChildResults},
        process_tree::ProcessTag,
        signals::Stop,
    },
    session::{error::SessionError, live::LedgerLocation},
    store::{
        disk::{Disk, RealDisk, parent},
        error::StoreError,
        layout::Layout,
        lock::{Lock, Owner},
        runs::StepsRetry,
    },
};

/// What the children of a job are waited for with.
pub fn runtime() -> Result<Runtime, Failure> {
    process::runtime().map_err(|error| Failure::new(Exit::Bug, format!("no runtime: {error}")))
}

/// How a run ended that got no memory.
pub const OUT_OF_MEMORY: &str = "the job ran out of memory: run.memory-max is too small for it. Nothing was left half-written: raise it and start again";

/// What a job runs in.
pub struct Context<'a> {
    /// Where `jobs/` and `data/` lie.
    pub root: &'a Path,
    /// The disk, rooted at `data/`: the folder itself may be a link, nothing below it may.
    pub disk: &'a RealDisk,
    pub layout: &'a Layout,
    pub run_id: RunId,
    /// Name of the job.
    pub job: String,
    /// How the job was called, for a person to type again: the manifest and the values it was given.
    pub call: String,
    /// Covers the secrets of the manifest, in whatever is written.
    pub mask: &'a Mask,
    pub build: &'a str,
    /// When the run started.
    pub started: UtcMs,
    /// Whether it was asked to stop.
    pub stop: Stop,
    /// How long it may take to stop.
    pub grace: std::time::Duration,
    /// Where the results of programs go that it starts.
    pub child_results: ChildResults,
    /// How the text of its result is drawn.
    pub drawing: Drawing,
    /// Where people see how far it is.
    pub progress: &'a dyn Progress,
    /// What it goes on from.
    pub resume: Resume,
}

/// What a run goes on from.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// Which attempt of a run of the service it is; `None` where somebody started it.
    pub attempt: Option<u32>,
    /// The run that a part of is repeated.
    pub retry: Option<StepsRetry>,
}

/// Shows people how far a job is.
pub trait Progress: Sync {
    /// A task of `total` units begins; 0 when nobody knows how many.
    fn begin(&self, what: &str, total: u64);
    /// One more unit is done.
    fn advance(&self, note: &str);
    /// The task is over.
    fn end(&self);
}

/// For work that nobody watches.
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: &str) {}
    fn end(&self) {}
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = if error.is_io() {
            Exit::Io
        } else if error.is_held() {
            Exit::Busy
        } else if matches!(error, StoreError::Missing { .. }) {
            Exit::Nothing
        } else {
            Exit::Data
        };
        Self::new(exit, error.to_string())
    }
}

impl From<crate::store::lock::LockError> for Failure {
    fn from(error: crate::store::lock::LockError) -> Self {
        StoreError::from(error).into()
    }
}

impl From<crate::store::disk::DiskError> for Failure {
    fn from(error: crate::store::disk::DiskError) -> Self {
        StoreError::from(error).into()
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let exit = match error {
            SessionError::Store(error) => return error.into(),
            SessionError::OtherSettings(_) => Exit::Manifest,
            SessionError::UnknownModel(_) => Exit::Busy,
            SessionError::NotLater(_)
            | SessionError::Origin(_)
            | SessionError::NoOrigin(_)
            | SessionError::LateCommand(_)
            | SessionError::ChangedCommand(_) => Exit::Data,
        };
        Self::new(exit, error.to_string())
    }
}

impl<'a> Context<'a> {
    /// What every process carries that this run starts, or one of its steps, by its id.
    pub fn process_tag(&self, id: &str) -> ProcessTag {
        ProcessTag::of_run(self.root, id)
    }

    /// A path from a manifest: relative ones lie below the root.
    pub fn path(&self, written: &str) -> PathBuf {
        self.root.join(written)
    }

    /// The ledger of a tag.
    pub fn place(&self, tag: &Tag, series: &Series) -> LedgerLocation<'a, RealDisk> {
        LedgerLocation {
            disk: self.disk,
            layout: self.layout,
            tag: tag.clone(),
            series: series.clone(),
        }
    }

    /// Takes a lock, or says who holds it.
    pub fn lock(&self, path: &Path) -> Result<Lock, Failure> {
        self.disk.create_dir_all(parent(path))?;
        let (run_id, job, since) = (self.run_id.clone(), self.job.clone(), self.started);
        Ok(Lock::take(path, &Owner { pid: std::process::id(), run_id, job, since })?)
    }

    /// A path as people know it: relative to the root.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }
}
