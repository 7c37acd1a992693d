//! Where the fits of a training are computed: here on the processor, or by a worker on a card, and what happens when that fails.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    checked::checked,
    checkpoints::Checkpoints,
    find::worker,
    judge::failed,
    kept::{Kept, keep},
    probe::{probe, runtime},
    wire::{Heartbeat, Returned, Spec, rows},
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::{Compute, ComputeDevice, OnDeviceFailure},
    model::{
        probe::{Reason, Verdict},
        train::{Fitted, State, Task},
    },
    os::supervise::watch,
    store::disk::Disk as _,
};

/// What the processor is called.
pub const CPU: &str = "cpu";

/// Computes fits elsewhere, when that is wanted and works. One at a time: a card is not shared.
pub struct Trainer<'a, 'c> {
    context: &'a Context<'c>,
    compute: &'a Compute,
    held: Mutex<Held>,
}

struct Held {
    kept: Kept,
    /// Whether the card is still used.
    on_card: bool,
    /// Why nothing more is fitted at all.
    over: Option<Failure>,
}

impl<'a, 'c> Trainer<'a, 'c> {
    /// Asks for the proof where a card is wanted, and keeps the answer in the run record.
    pub fn new(context: &'a Context<'c>, compute: &'a Compute) -> Result<Self, Failure> {
        let requested = compute.device;
        let mut kept = Kept {
            device_requested: requested.name(),
            device_used: CPU.to_owned(),
            fallback_reason: None,
            fallback_detail: None,
            probe: None,
        };
        let mut on_card = false;
        if requested != ComputeDevice::Cpu {
            context.progress.begin("probe the card", 0);
            let verdict = probe(context, compute)?;
            context.progress.end();
            if verdict.ok {
                kept.device_used = verdict.what();
                on_card = true;
            } else {
                kept.fallback_reason = verdict.reason;
                kept.fallback_detail = Some(verdict.why());
            }
            kept.probe = Some(verdict);
        }
        keep(context, &kept)?;
        let why = kept.fallback_detail.clone();
        let trainer =
            Self { context, compute, held: Mutex::new(Held { kept, on_card, over: None }) };
        match (requested, why) {
            (ComputeDevice::Gpu, Some(why)) => Err(trainer.unusable(&why)),
            (ComputeDevice::Auto, Some(why)) => {
                tracing::warn!("no card is used, the processor fits: {why}");
                Ok(trainer)
            }
            (ComputeDevice::Cpu | ComputeDevice::Gpu | ComputeDevice::Auto, _) => Ok(trainer),
        }
    }

    /// What has computed so far, for the report.
    pub fn device(&self) -> String {
        self.lock().kept.device_used.clone()
    }

    /// Fits on the card, and says after which epoch it went on; none means that the fit is to be done here. Where it stands is kept every
    /// so many epochs, and `heard` is told of each.
    pub fn away(
        &self,
        (name, task): (&str, &Task<'_>),
        (checkpoints, every): (&Checkpoints<'_, '_>, u32),
        heard: &mut dyn FnMut(Heartbeat),
    ) -> Result<Option<(Fitted, usize)>, Failure> {
        let mut held = self.lock();
        if let Some(failure) = &held.over {
            return Err(failure.clone());
        }
        if !held.on_card {
            return Ok(None);
        }
        let card = held.kept.device_used.clone();
        let done = match self.fit((name, &card), task, (checkpoints, every), heard) {
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(refused)) => {
                checkpoints.forget(name)?;
                self.lost(&mut held, name, &refused).map(|()| None)
            }
            Err(failure) => Err(failure),
        };
        held.over = done.as_ref().err().cloned();
        done
    }

    /// What becomes of a fit whose card failed.
    fn lost(
        &self,
        Held { kept, on_card, .. }: &mut Held,
        name: &str,
        refused: &Verdict,
    ) -> Result<(), Failure> {
        let why = format!("{name}: {}", refused.why());
        kept.fallback_reason = refused.reason;
        kept.fallback_detail = Some(why.clone());
        let stays = self.compute.device == ComputeDevice::Auto
            && self.compute.on_failure == OnDeviceFailure::RetryCpu;
        if stays {
            kept.device_used = format!("{}, then {CPU}", kept.device_used);
        }
        keep(self.context, kept)?;
        if !stays {
            return Err(self.unusable(&why));
        }
        *on_card = false;
        tracing::warn!("the card failed, this fit is done again on the processor: {why}");
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unusable(&self, why: &str) -> Failure {
        let message = format!(
            "the card cannot be used: {why}; look with `runner doctor -P gpu`, or let the processor stand in with `-P auto` \
             (worker `{}`)",
            self.compute.worker
        );
        Failure::new(Exit::Unavailable, message)
    }

    /// Hands the task to a worker and takes the network back, if it is one.
    fn fit(
        &self,
        (name, card): (&str, &str),
        task: &Task<'_>,
        (checkpoints, every): (&Checkpoints<'_, '_>, u32),
        heard: &mut dyn FnMut(Heartbeat),
    ) -> Result<Result<(Fitted, usize), Box<Verdict>>, Failure> {
        let Self { context, compute, .. } = self;
        let files = Files::of(context, name);
        let from = checkpoints.load(name, card)?;
        let begun = from.as_ref().map_or(0, State::epochs);
        if begun > 0 {
            tracing::info!("{name}: goes on after epoch {begun}");
        }
        files.write(context, task, from.as_ref())?;
        let path = files.spec.display().to_string();
        let limits = (None, Some(compute.silence_timeout.get().duration()));
        let asked = worker(context, compute, &["train", "--spec", &path], limits);
        let keep = || -> Result<(), Failure> {
            let stands = context.disk.read(&files.state)?;
            // One that the worker left half-said is none.
            let stands = stands.and_then(|bytes| serde_json::from_slice::<State>(&bytes).ok());
            Ok(stands.map_or(Ok(()), |stands| checkpoints.save(name, card, &stands))?)
        };
        let mut kept = Ok(());
        let seen = runtime()?.block_on(watch(&asked, &context.stop, &mut |line: &str| {
            let Ok(beat) = serde_json::from_str::<Heartbeat>(line) else { return };
            if beat.epoch.is_multiple_of(every) && kept.is_ok() {
                kept = keep();
            }
            heard(beat);
        }));
        context.disk.remove(&files.rows)?;
        kept?;
        if context.stop.asked() {
            keep()?;
            let exit = context.stop.signal().map_or(Exit::Timeout, Exit::Signal);
            let message =
                format!("{name}: told to stop; run the job again, and it goes on from there");
            return Err(Failure::new(exit, message));
        }
        if let Err(refused) = failed(&seen, &compute.worker) {
            return Ok(Err(refused));
        }
        let Some(bytes) = context.disk.read(&files.result)? else {
            let nothing = "exit code 0, and no network";
            return Ok(Err(Box::new(Verdict::refused(Reason::NoVerdict, nothing))));
        };
        let fitted = Returned::read(&bytes)
            .map_err(|error| Box::new(Verdict::refused(Reason::NoVerdict, error)))
            .and_then(|fitted| checked(fitted, task, compute.tolerance));
        if fitted.is_ok() {
            keep()?;
        }
        Ok(fitted.map(|fitted| (fitted, begun as usize)))
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
