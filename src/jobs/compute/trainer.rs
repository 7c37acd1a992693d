//! Where the fits of a training are computed: here on the processor, or by a worker on a card, and what happens when that fails.

use std::sync::{Mutex, PoisonError};

use super::{
    find::worker,
    judge::failed,
    kept::{Kept, keep},
    probe::{probe, runtime},
    wire::{Heartbeat, Returned, Spec, rows},
};
use crate::{
    engine::{
        learn::likelihood::softmax,
        model::{Dense, Network},
    },
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::{Compute, ComputeDevice, OnDeviceFailure},
    model::{
        probe::{Reason, Verdict},
        train::{Fitted, Samples, Task},
    },
    os::supervise::watch,
    store::disk::Disk as _,
};

/// What the processor is called.
const CPU: &str = "cpu";

/// Computes fits elsewhere, when that is wanted and works. One at a time: a card is not shared.
pub struct Trainer<'a, 'c> {
    context: &'a Context<'c>,
    compute: &'a Compute,
    state: Mutex<State>,
}

struct State {
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
            Self { context, compute, state: Mutex::new(State { kept, on_card, over: None }) };
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

    /// Fits on the card; none means that the fit is to be done here. `heard` is told of each epoch.
    pub fn away(
        &self,
        name: &str,
        task: &Task<'_>,
        heard: &mut dyn FnMut(Heartbeat),
    ) -> Result<Option<Fitted>, Failure> {
        let mut state = self.lock();
        if let Some(failure) = &state.over {
            return Err(failure.clone());
        }
        if !state.on_card {
            return Ok(None);
        }
        let done = match self.fit(name, task, heard) {
            Ok(Ok(fitted)) => Ok(Some(fitted)),
            Ok(Err(refused)) => self.lost(&mut state, name, &refused),
            Err(failure) => Err(failure),
        };
        state.over = done.as_ref().err().cloned();
        done
    }

    /// What becomes of a fit whose card failed.
    fn lost(
        &self,
        State { kept, on_card, .. }: &mut State,
        name: &str,
        refused: &Verdict,
    ) -> Result<Option<Fitted>, Failure> {
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
        Ok(None)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        name: &str,
        task: &Task<'_>,
        heard: &mut dyn FnMut(Heartbeat),
    ) -> Result<Result<Fitted, Box<Verdict>>, Failure> {
        let Self { context, compute, .. } = self;
        let dir = context.layout.run_compute_dir(&context.run_id);
        let [spec, rows_, result] =
            ["json", "rows", "fitted.json"].map(|end| dir.join(format!("{name}.{end}")));
        let file_name = |end: &str| format!("{name}.{end}");
        let text = Spec::of(task, file_name("rows"), file_name("fitted.json"));
        let text = serde_json::to_vec_pretty(&text).expect("plain values serialise");
        context.disk.create_dir_all(&dir)?;
        context.disk.replace(&rows_, &rows(task))?;
        context.disk.replace(&spec, &text)?;
        let path = spec.display().to_string();
        let limits = (None, Some(compute.silence_timeout.get().duration()));
        let asked = worker(context, compute, &["train", "--spec", &path], limits);
        let seen = runtime()?.block_on(watch(&asked, &context.stop, &mut |line: &str| {
            if let Ok(beat) = serde_json::from_str(line) {
                heard(beat);
            }
        }));
        context.disk.remove(&rows_)?;
        if context.stop.asked() {
            let exit = context.stop.signal().map_or(Exit::Timeout, Exit::Signal);
            let message =
                format!("{name}: told to stop; run the job again, it starts this fit anew");
            return Err(Failure::new(exit, message));
        }
        if let Err(refused) = failed(&seen, &compute.worker) {
            return Ok(Err(refused));
        }
        let Some(bytes) = context.disk.read(&result)? else {
            let nothing = "exit code 0, and no network";
            return Ok(Err(Box::new(Verdict::refused(Reason::NoVerdict, nothing))));
        };
        Ok(Returned::read(&bytes)
            .map_err(|error| Box::new(Verdict::refused(Reason::NoVerdict, error)))
            .and_then(|fitted| checked(fitted, task, compute.tolerance)))
    }
}

/// The card never has the last word: the network must have the shape that was asked for, be made of numbers, and have the loss that it
/// is said to have when the scorer of this program computes it.
fn checked(fitted: Fitted, task: &Task<'_>, tolerance: f64) -> Result<Fitted, Box<Verdict>> {
    let wrong = |detail: String| Box::new(Verdict::refused(Reason::Mismatch, detail));
    let best = (fitted.best_epoch as usize).checked_sub(1).and_then(|at| fitted.losses.get(at));
    let Some(best) = best else {
        return Err(wrong(format!("there is no epoch {}", fitted.best_epoch)));
    };
    let wanted: Vec<usize> = task.settings.hidden.clone();
    let hidden: Vec<usize> = fitted.layers.iter().rev().skip(1).rev().map(|l| l.outputs).collect();
    let first = fitted.layers.first().map(|layer| layer.inputs);
    if hidden != wanted || first != Some(task.train.width) {
        return Err(wrong("the network has another shape than was asked for".to_owned()));
    }
    let finite = |layer: &Dense| layer.weights.iter().chain(&layer.bias).all(|x| x.is_finite());
    if !fitted.layers.iter().all(finite) {
        let detail = "the network has weights that are no numbers";
        return Err(Box::new(Verdict::refused(Reason::Nonfinite, detail)));
    }
    let network = Network::new(&fitted.layers, task.settings.activation);
    let network = network.map_err(|error| wrong(error.to_string()))?;
    let (said, found) = (best.validation, loss(&network, task.validation));
    if (said - found).abs() <= tolerance * (1.0 + found.abs()) {
        return Ok(fitted);
    }
    Err(wrong(format!("it says its loss is {said}, the processor says {found}")))
}

/// Mean loss of some rows, in nats, by the scorer that decides.
fn loss(network: &Network, samples: &Samples) -> f64 {
    let mut inputs = vec![0.0; samples.width];
    let mut sum = 0.0;
    for (row, class) in samples.inputs.chunks_exact(samples.width).zip(&samples.classes) {
        for (to, from) in inputs.iter_mut().zip(row) {
            *to = f64::from(*from);
        }
        let part = softmax(network.logits(&inputs))[usize::from(*class)];
        sum -= part.max(f64::MIN_POSITIVE).ln();
    }
    sum / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{learn::label::Class, model::Activation},
        model::train::{Device, Flow, Settings, Weighting, fit},
    };

    #[test]
    fn a_network_that_came_back_is_believed_only_if_our_scorer_agrees() {
        let mut samples = Samples::new(2);
        for n in 0..60 {
            let (x, y) = (f64::from(n % 7) / 7.0, f64::from(n % 5) / 5.0);
            samples.push(&[x, y], if x > y { Class::Up } else { Class::Down });
        }
        let settings = Settings {
            hidden: vec![4],
            activation: Activation::Relu,
            epochs_max: 3,
            batch: 16,
            learning_rate: 0.01,
            weight_decay: 0.0,
            patience: 3,
            improvement_min: 1e-6,
            weighting: Weighting::Balanced,
            seed: 1,
        };
        let task = Task { train: &samples, validation: &samples, settings: &settings };
        let fitted = fit(&task, &Device::Cpu, None, &mut |_| Flow::GoOn).unwrap();
        let with = |change: fn(&mut Fitted)| {
            let mut fitted = fitted.clone();
            change(&mut fitted);
            checked(fitted, &task, 1e-4).map_err(|refused| refused.reason)
        };
        assert_eq!(with(|_| ()).unwrap(), fitted);
        let mismatch = Err(Some(Reason::Mismatch));
        assert_eq!(with(|f| f.layers[0].weights[0] += 1.0), mismatch);
        assert_eq!(with(|f| f.losses[2].validation += 0.01), mismatch);
        assert_eq!(with(|f| f.best_epoch = 4), mismatch);
        assert_eq!(with(|f| f.best_epoch = 0), mismatch);
        assert_eq!(with(|f| drop(f.layers.pop())), mismatch);
        assert_eq!(with(|f| f.layers.clear()), mismatch);
        assert_eq!(with(|f| f.layers[0].bias.push(0.0)), mismatch);
        let nonfinite = Err(Some(Reason::Nonfinite));
        assert_eq!(with(|f| f.layers[1].bias[0] = f32::NAN), nonfinite);
    }
}
