//! A fit that is handed to another process: its task in files, the process watched, and where the fit stands kept.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    checkpoints::Checkpoints,
    probe::runtime,
    wire::{Heartbeat, Returned, Spec, rows},
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    model::train::{Fitted, State, Task},
    os::supervise::{Watch, Watched, watch},
    store::disk::Disk as _,
};

/// Where a fit is kept while it goes on.
#[derive(Clone, Copy)]
pub struct Keeping<'k, 'a, 'c> {
    /// The checkpoints of the training.
    pub checkpoints: &'k Checkpoints<'a, 'c>,
    /// After so many epochs each.
    pub every: u32,
}

/// A fit in another process.
pub(super) struct Handed<'h, 'c> {
    context: &'h Context<'c>,
    name: &'h str,
    device: &'h str,
    kept: Option<Keeping<'h, 'h, 'c>>,
    files: Files,
}

/// How the process went.
pub(super) struct Went {
    /// What is known of it.
    pub(super) seen: io::Result<Watched>,
    /// After how many epochs it went on.
    pub(super) begun: usize,
}

impl<'h, 'c> Handed<'h, 'c> {
    /// A fit on a device; without a place to keep it, it begins and ends in one go.
    pub(super) fn new(
        context: &'h Context<'c>,
        (name, device): (&'h str, &'h str),
        kept: Option<Keeping<'h, 'h, 'c>>,
    ) -> Self {
        Self { context, name, device, kept, files: Files::of(context, name) }
    }

    /// Starts the process with the file of the task and waits for its end. `heard` is told of each epoch. When this run is asked to stop,
    /// where the fit stands is kept.
    pub(super) fn carry_out(
        &self,
        task: &Task<'_>,
        process: impl FnOnce(&str) -> Watch,
        heard: &mut dyn FnMut(Heartbeat),
    ) -> Result<Went, Failure> {
        let Self { context, name, device, kept, files } = self;
        let from = match kept {
            Some(kept) => kept.checkpoints.load(name, device)?,
            None => None,
        };
        let begun = from.as_ref().map_or(0, State::epochs);
        if begun > 0 {
            tracing::info!("{name}: goes on after epoch {begun}");
        }
        files.write(context, task, from.as_ref())?;
        let process = process(&files.spec.display().to_string());
        let mut saved = Ok(());
        let seen = runtime()?.block_on(watch(&process, &context.stop, &mut |line: &str| {
            let Ok(beat) = serde_json::from_str::<Heartbeat>(line) else { return };
            if kept.is_some_and(|kept| beat.epoch.is_multiple_of(kept.every)) && saved.is_ok() {
                saved = self.keep();
            }
            heard(beat);
        }));
        context.disk.remove(&files.rows)?;
        saved?;
        if context.stop.asked() {
            self.keep()?;
            let exit = context.stop.signal().map_or(Exit::Timeout, Exit::Signal);
            let message =
                format!("{name}: asked to stop; run the job again, and it continues from there");
            return Err(Failure::new(exit, message));
        }
        Ok(Went { seen, begun: begun as usize })
    }

    /// Keeps where the fit stands.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        let Some(kept) = self.kept else { return Ok(()) };
        let stands = self.context.disk.read(&self.files.state)?;
        // One that was left half-said is none.
        let stands = stands.and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
        Ok(stands
            .map_or(Ok(()), |stands| kept.checkpoints.save(self.name, self.device, &stands))?)
    }

    /// The network that came of it, not judged yet; none where there is no file of it.
    pub(super) fn fitted(&self) -> Result<Option<Result<Fitted, String>>, Failure> {
        Ok(self.context.disk.read(&self.files.result)?.map(|bytes| Returned::read(&bytes)))
    }

    /// Takes the files away.
    pub(super) fn clear(self) -> Result<(), Failure> {
        let Files { spec, rows: _, result, state } = &self.files;
        for path in [spec, result, state] {
            if self.context.disk.len(path)?.is_some() {
                self.context.disk.remove(path)?;
            }
        }
        Ok(())
    }
}

/// What is handed over about one fit.
struct Files {
    spec: PathBuf,
    rows: PathBuf,
    result: PathBuf,
    state: PathBuf,
}

impl Files {
    fn of(context: &Context<'_>, name: &str) -> Self {
        let dir = context.layout.run_compute_dir(&context.run_id);
        let [spec, rows, result, state] = ["json", "rows", "fitted.json", "state.json"]
            .map(|end| dir.join(format!("{name}.{end}")));
        Self { spec, rows, result, state }
    }

    fn write(
        &self,
        context: &Context<'_>,
        task: &Task<'_>,
        from: Option<&State>,
    ) -> Result<(), Failure> {
        let name =
            |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let spec = Spec::of(task, [&self.rows, &self.result, &self.state].map(|path| name(path)));
        let spec = serde_json::to_vec_pretty(&spec).expect("plain values serialise");
        let disk = context.disk;
        disk.create_dir_all(&context.layout.run_compute_dir(&context.run_id))?;
        disk.replace(&self.rows, &rows(task))?;
        if let Some(from) = from {
            let text = serde_json::to_vec(from).expect("plain values serialise");
            disk.swap(&self.state, &text)?;
        }
        Ok(disk.replace(&self.spec, &spec)?)
    }
}
