//! Where the fits of a training are computed: on the processor, or by a worker on a card, and what happens when that fails.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    fit_process::{CPU, Handed, Keeping, Went, fit_here, probe, worker},
    judge::{checked, failed},
    worker::FitHeartbeat,
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::{Compute, ComputeDevice, OnDeviceFailure},
    model::{
        probe::{DeviceReason, DeviceVerdict},
        train::{FitState, Fitted, Task},
    },
    store::disk::{Disk as _, DiskResult},
};

/// Computes fits. On a card one at a time: it is not shared.
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

    /// Carries out a fit, and says after which epoch it went on. Where it stands is kept, and `heard` is told of each epoch.
    pub fn fit(
        &self,
        (name, task): (&str, &Task<'_>),
        kept: Keeping<'_, '_, '_>,
        heard: &mut dyn FnMut(FitHeartbeat),
    ) -> Result<(Fitted, usize), Failure> {
        match self.on_card((name, task), kept, heard)? {
            Some(done) => Ok(done),
            None => fit_here(self.context, (name, task), Some(kept), heard),
        }
    }

    /// The same on the card; none means that the processor has to do it.
    fn on_card(
        &self,
        (name, task): (&str, &Task<'_>),
        kept: Keeping<'_, '_, '_>,
        heard: &mut dyn FnMut(FitHeartbeat),
    ) -> Result<Option<(Fitted, usize)>, Failure> {
        let mut held = self.lock();
        if let Some(failure) = &held.over {
            return Err(failure.clone());
        }
        if !held.on_card {
            return Ok(None);
        }
        let card = held.kept.device_used.clone();
        let done = match self.by_worker((name, &card), task, kept, heard) {
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(refused)) => {
                if [Some(DeviceReason::Mismatch), Some(DeviceReason::Nonfinite)]
                    .contains(&refused.reason)
                {
                    kept.checkpoints.distrust(&card)?;
                } else {
                    kept.checkpoints.forget(name)?;
                }
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
        refused: &DeviceVerdict,
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
    fn by_worker(
        &self,
        (name, card): (&str, &str),
        task: &Task<'_>,
        kept: Keeping<'_, '_, '_>,
        heard: &mut dyn FnMut(FitHeartbeat),
    ) -> Result<Result<(Fitted, usize), Box<DeviceVerdict>>, Failure> {
        let Self { context, compute, .. } = self;
        let handed = Handed::new(context, (name, card), Some(kept));
        let limits = (None, Some(compute.silence_timeout.get().duration()));
        let process = |spec: &str| worker(context, compute, &["train", "--spec", spec], limits);
        let Went { seen, begun } = handed.carry_out(task, process, heard)?;
        if let Err(refused) = failed(&seen, &compute.worker) {
            return Ok(Err(refused));
        }
        let Some(fitted) = handed.fitted()? else {
            let nothing = "exit code 0, and no network";
            return Ok(Err(Box::new(DeviceVerdict::refused(DeviceReason::NoVerdict, nothing))));
        };
        let fitted = fitted
            .map_err(|error| Box::new(DeviceVerdict::refused(DeviceReason::NoVerdict, error)))
            .and_then(|fitted| checked(fitted, task, compute.tolerance));
        if fitted.is_ok() {
            handed.keep()?;
        }
        Ok(fitted.map(|fitted| (fitted, begun)))
    }
}

/// The table `compute` of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Kept {
    /// What was asked for: `cpu`, `gpu`, `auto`.
    pub(super) device_requested: &'static str,
    /// Where fits were computed: `cpu`, or the name of a card; both when a card failed in the middle.
    pub(super) device_used: String,
    /// Why the processor took over.
    pub(super) fallback_reason: Option<DeviceReason>,
    /// The same in words.
    pub(super) fallback_detail: Option<String>,
    /// What the proof said; none where none was asked for.
    pub(super) probe: Option<DeviceVerdict>,
}

/// Writes it into the record of the run.
pub(super) fn keep(context: &Context<'_>, kept: &Kept) -> Result<(), Failure> {
    let path = context.layout.run_info(&context.run_id);
    let damaged = |why: String| Failure::new(Exit::Data, format!("{}: {why}", path.display()));
    let bytes = context.disk.read(&path)?.ok_or_else(|| damaged("it is gone".to_owned()))?;
    let mut record: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let table = record.as_object_mut().ok_or_else(|| damaged("it is not a table".to_owned()))?;
    let kept = serde_json::to_value(kept).expect("plain values serialise");
    table.insert("compute".to_owned(), kept);
    let text = format!("{}\n", context.mask.apply(&format!("{record:#}")));
    Ok(context.disk.replace(&path, text.as_bytes())?)
}

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.checkpoint/1";

#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    key: String,
    state: FitState,
}

/// The checkpoints of one training.
pub struct Checkpoints<'a, 'c> {
    context: &'a Context<'c>,
    dir: PathBuf,
    key: String,
}

impl<'a, 'c> Checkpoints<'a, 'c> {
    /// Those of the running job. `key` names everything that its fits depend on.
    pub fn open(context: &'a Context<'c>, key: String) -> Result<Self, Failure> {
        let dir = context.layout.train_state(&context.job);
        context.disk.create_dir_all(&dir)?;
        context.disk.clean_temps(&dir)?;
        Ok(Self { context, dir, key })
    }

    /// Where a fit stood on a device; `None` when it has to start. One of other inputs, and one that cannot be read, does not count.
    pub fn load(&self, fit: &str, device: &str) -> Result<Option<FitState>, Failure> {
        let path = self.path(fit);
        let Some(bytes) = self.context.disk.read(&path)? else { return Ok(None) };
        let document: Document = match serde_json::from_slice(&bytes) {
            Ok(document) => document,
            Err(error) => {
                tracing::warn!("{}: {error}; the fit starts from the beginning", path.display());
                return Ok(None);
            }
        };
        let fits = document.schema == SCHEMA && document.key == self.key_on(device);
        if !fits {
            tracing::info!(
                "{}: of other bars, settings, build or device; the fit starts from the beginning",
                path.display()
            );
        }
        Ok(fits.then_some(document.state))
    }

    /// Keeps where a fit on a device stands.
    pub fn save(&self, fit: &str, device: &str, state: &FitState) -> DiskResult<()> {
        let (schema, key) = (SCHEMA.to_owned(), self.key_on(device));
        let document = Document { schema, key, state: state.clone() };
        let text = serde_json::to_vec(&document).expect("plain values serialise");
        self.context.disk.replace(&self.path(fit), &text)
    }

    /// Takes one away: the device on which the fit stood there is not to be trusted.
    pub fn forget(&self, fit: &str) -> DiskResult<()> {
        let path = self.path(fit);
        let is_there = self.context.disk.len(&path)?.is_some();
        if is_there { self.context.disk.remove(&path) } else { Ok(()) }
    }

    /// Takes away all that one device has left, other fits' too: its numbers are wrong.
    pub fn distrust(&self, device: &str) -> Result<(), Failure> {
        for name in self.context.disk.list(&self.dir)? {
            let path = self.dir.join(name);
            let bytes = self.context.disk.read(&path)?.unwrap_or_default();
            let by_another = serde_json::from_slice::<Document>(&bytes)
                .is_ok_and(|document| document.key != self.key_on(device));
            if !by_another {
                self.context.disk.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Takes them away: the training is done.
    pub fn clear(self) -> Result<(), Failure> {
        for name in self.context.disk.list(&self.dir)? {
            self.context.disk.remove(&self.dir.join(name))?;
        }
        Ok(self.context.disk.remove_dir(&self.dir)?)
    }

    /// Devices come to other bits: what one has begun, no other one goes on with.
    fn key_on(&self, device: &str) -> String {
        format!("{} on {device}", self.key)
    }

    fn path(&self, fit: &str) -> PathBuf {
        self.dir.join(format!("{fit}.json"))
    }
}
