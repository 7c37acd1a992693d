//! The real launcher: every run is a process of this program, in a group of its own, and outlives the service that started it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::launcher::{EndPush, LaunchError, LaunchOrder, Launcher, ProcessExit};
use crate::{
    domain::ids::RunId,
    os::{
        process::{Child, Detached, ProcessStatus},
        process_tree::{EndSignal, ProcessTag},
    },
    store::{
        bounded_log::{keep_end, open_output},
        disk::{Disk as _, RealDisk},
        layout::Layout,
        lock::is_held,
    },
};

/// The variable by which a service knows the processes of a run.
pub const RUN_ID: &str = "MJOLNIR_RUN_ID";
/// Longest reason that is taken from a stop file, in characters.
const REASON_MAX: usize = 200;

/// Starts processes of this program.
pub struct Children {
    program: PathBuf,
    root: PathBuf,
    layout: Layout,
    disk: RealDisk,
    /// Told to the programs that must know where they belong.
    home: String,
    running: BTreeMap<RunId, Child>,
}

impl Children {
    /// Of this program, for the jobs below a root.
    pub fn new(program: &Path, root: &Path) -> Self {
        let layout = Layout::new(root);
        let home = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        Self {
            program: program.to_owned(),
            root: root.to_owned(),
            disk: RealDisk::new(layout.data()),
            layout,
            home: home.display().to_string(),
            running: BTreeMap::new(),
        }
    }

    /// What every process of a run carries in its environment.
    fn process_tag(&self, run: &RunId) -> ProcessTag {
        ProcessTag::new(&[(RUN_ID, run.as_str()), ("MJOLNIR_RUN_ROOT", &self.home)])
    }

    fn argv(&self, order: &LaunchOrder) -> Vec<String> {
        let text = |part: &Path| part.display().to_string();
        let mut argv = vec![text(&self.program), "--root".into(), text(&self.root)];
        argv.extend(["run".to_owned(), order.file.clone()]);
        argv.extend(["--run-id".to_owned(), order.run.to_string()]);
        argv.extend(["--attempt".to_owned(), order.attempt.to_string()]);
        for profile in &order.profiles {
            argv.extend(["--profile".to_owned(), profile.clone()]);
        }
        for (name, value) in &order.params {
            argv.extend(["--scheduled".to_owned(), format!("{name}={value}")]);
        }
        argv
    }
}

impl Launcher for Children {
    fn start(&mut self, order: &LaunchOrder) -> Result<(), LaunchError> {
        self.disk.create_dir_all(&self.layout.run_dir(&order.run))?;
        let path = self.layout.run_output(&order.run);
        let output = open_output(&path).map_err(|cause| LaunchError::Output { path, cause })?;
        let detached = Detached {
            argv: self.argv(order),
            env: self.process_tag(&order.run).variables(),
            dir: self.root.clone(),
            output,
        };
        let program = &self.program;
        let child = detached
            .start()
            .map_err(|cause| LaunchError::Program { program: program.clone(), cause })?;
        self.running.insert(order.run.clone(), child);
        Ok(())
    }

    fn ended(&mut self) -> Vec<(RunId, ProcessExit)> {
        let mut gone = Vec::new();
        self.running.retain(|run, child| match child.left() {
            None => true,
            Some(left) => {
                gone.push((
                    run.clone(),
                    match left {
                        ProcessStatus::Code(code) => ProcessExit::Code(code),
                        ProcessStatus::Signal(signal) => ProcessExit::Signal(signal),
                        ProcessStatus::Unknown => ProcessExit::Unseen,
                    },
                ));
                false
            }
        });
        gone
    }

    fn is_alive(&self, run: &RunId) -> bool {
        is_held(&self.layout.run_lock(run))
    }

    fn request_stop(&mut self, run: &RunId, why: &str) -> Result<(), LaunchError> {
        self.disk.create_dir_all(&self.layout.run_dir(run))?;
        Ok(self.disk.replace(&self.layout.run_stop(run), format!("{why}\n").as_bytes())?)
    }

    fn stop_requested(&self, run: &RunId) -> Option<String> {
        let reason = std::fs::read(self.layout.run_stop(run)).ok()?;
        let reason = String::from_utf8_lossy(&reason);
        Some(reason.trim().escape_debug().take(REASON_MAX).collect())
    }

    fn clear_stop(&mut self, run: &RunId) {
        // It may not be there, and an attempt that is asked at once is only cancelled.
        let _ = self.disk.remove(&self.layout.run_stop(run));
    }

    fn signal_end(&mut self, run: &RunId, push: EndPush) {
        let hit = match push {
            EndPush::Term => EndSignal::Term,
            EndPush::Kill => EndSignal::Kill,
        };
        if let Some(child) = self.running.get(run) {
            child.hit_group(hit);
        }
        self.process_tag(run).hit(hit);
    }

    fn descendants(&self, run: &RunId) -> usize {
        self.process_tag(run).count()
    }

    fn trim(&mut self, run: &RunId, most: u64) {
        let path = self.layout.run_output(run);
        if let Err(error) = keep_end(&path, most) {
            tracing::warn!("{}: its end could not be kept: {error}", path.display());
        }
    }
}
