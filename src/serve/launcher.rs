//! What the service needs of the outside to run things. The real one starts processes; the test's one is made of numbers.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{domain::ids::RunId, store::disk::DiskError};

/// An attempt that is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchOrder {
    pub run: RunId,
    pub attempt: u32,
    /// The manifest, relative to the root.
    pub file: String,
    /// Parameters of the schedule.
    pub params: Vec<(String, String)>,
    /// Profiles of the schedule.
    pub profiles: Vec<String>,
}

/// How a process ended, as far as one can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessExit {
    /// With this exit code.
    Code(i32),
    Signal(i32),
    /// Nobody saw it: it was started by a service that is no more.
    Unseen,
}

/// How a process is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndPush {
    /// It may still clean up.
    Term,
    Kill,
}

/// Why a run was not started, or not asked to stop.
#[derive(Debug, Error)]
pub enum LaunchError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file of its output cannot be opened.
    #[error("open {}: {cause}", path.display())]
    Output { path: PathBuf, cause: io::Error },
    #[error("start {}: {cause}", program.display())]
    Program { program: PathBuf, cause: io::Error },
}

/// Starts runs, watches them, ends them.
pub trait Launcher {
    /// Starts an attempt.
    fn start(&mut self, order: &LaunchOrder) -> Result<(), LaunchError>;

    /// The runs this launcher started whose process ended since the last call. Each is returned once.
    fn ended(&mut self) -> Vec<(RunId, ProcessExit)>;

    /// Whether a process of this run is alive, whoever started it.
    fn is_alive(&self, run: &RunId) -> bool;

    /// Asks a run to stop.
    fn request_stop(&mut self, run: &RunId, why: &str) -> Result<(), LaunchError>;

    /// Why somebody asked this run to stop, if somebody did.
    fn stop_requested(&self, run: &RunId) -> Option<String>;

    /// Forgets that a run was asked to stop: there will be another attempt.
    fn clear_stop(&mut self, run: &RunId);

    /// Pushes the process of a run and everything it started.
    fn signal_end(&mut self, run: &RunId, push: EndPush);

    /// How many processes are left of a run and of what it started.
    fn descendants(&self, run: &RunId) -> usize;

    /// Keeps the output of a run within a bound, as it goes on.
    fn trim(&mut self, run: &RunId, most: u64);
}
