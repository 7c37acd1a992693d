//! What a job runs in, for verbs that are no runs: nothing is recorded.

use std::{path::Path, time::Duration};

use super::output::drawing;
use crate::{
    clock::{Clock as _, SystemClock},
    exit::Exit,
    jobs::context::{Context, Failure, NoProgress, Resume},
    os::{mask::Mask, process::ChildResults, signals::Stop},
    run::build_id,
    store::{disk::RealDisk, layout::Layout},
};

/// Does something of a job under the name of a verb.
pub fn without_run<T>(
    root: &Path,
    verb: &str,
    mask: &Mask,
    work: impl FnOnce(&Context<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let root = std::path::absolute(root).map_err(|error| usage(error.to_string()))?;
    if !root.is_dir() {
        return Err(usage(format!("--root {}: this folder does not exist", root.display())));
    }
    let layout = Layout::new(&root);
    let stop = Stop::listen().map_err(|e| Failure::new(Exit::Bug, format!("signals: {e}")))?;
    work(&Context {
        root: &root,
        disk: &RealDisk::new(layout.data()),
        layout: &layout,
        run_id: verb.parse().expect("the name is good"),
        job: verb.to_owned(),
        call: verb.to_owned(),
        mask,
        build: &build_id(),
        started: SystemClock.now(),
        stop,
        grace: Duration::from_secs(2),
        child_results: ChildResults::Kept,
        drawing: drawing(),
        progress: &NoProgress,
        resume: Resume::default(),
    })
}
