//! What this program and the worker hand each other about a fit, and what the worker does.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    engine::model::{Activation, Dense},
    manifest::ClassWeights,
    model::{
        probe::{DeviceAbout, DeviceComplaint, DeviceVerdict, prove},
        train::{
            Device, FitError, FitFlow, FitSettings, FitState, Fitted, Losses, Samples, Task, fit,
            on_one_thread,
        },
    },
    store::disk::{Disk as _, RealDisk},
};

/// Why a task came to nothing.
#[derive(Debug, Error)]
pub enum NoFit {
    /// Its files cannot be read or written, or are not those of a task.
    #[error("{0}")]
    Files(String),
    /// The device refused, or a library that panicked did.
    #[error(transparent)]
    Device(#[from] DeviceComplaint),
    /// The fit has no end.
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// A device that answers.
pub struct Opened {
    pub device: Device,
    /// What its driver says of it.
    pub about: DeviceAbout,
}

/// Opens the device.
pub type Open<'a> = &'a dyn Fn() -> Result<Opened, DeviceComplaint>;

/// The verdict about the device. A library that panics has refused.
pub fn verdict(open: Open<'_>, tolerance: f64) -> DeviceVerdict {
    let work = || open().and_then(|Opened { device, about }| prove(&device, about, tolerance));
    let complained = |complaint: DeviceComplaint| {
        DeviceVerdict::refused(complaint.reason(), complaint.to_string())
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(complaint)) => complained(complaint),
        Err(panic) => complained(words_of(&*panic)),
    }
}

/// Carries out the task in a file, and leaves the network beside it. `heard` gets a line after each epoch, and says whether anybody is
/// there who wants to know: a fit whose runner was killed ends.
pub fn train(
    open: Open<'_>,
    spec: &Path,
    heard: &mut (dyn FnMut(&str) -> bool + Send),
) -> Result<(), NoFit> {
    let dir = spec.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = RealDisk::new(dir);
    let read = |path: &Path| -> Result<Vec<u8>, NoFit> {
        let bytes = disk.read(path).map_err(|error| NoFit::Files(error.to_string()))?;
        bytes.ok_or_else(|| NoFit::Files(format!("{}: this file does not exist", path.display())))
    };
    let damaged = |path: &Path, why: String| NoFit::Files(format!("{}: {why}", path.display()));
    let asked = Spec::read(&read(spec)?).map_err(|why| damaged(spec, why))?;
    let rows = dir.join(&asked.rows);
    let [train, validation] = asked.samples(&read(&rows)?).map_err(|why| damaged(&rows, why))?;
    let settings = asked.settings().map_err(|why| damaged(spec, why))?;
    let task = Task { train: &train, validation: &validation, settings: &settings };
    let stands = dir.join(&asked.state);
    let from = match disk.read(&stands).map_err(|error| NoFit::Files(error.to_string()))? {
        Some(bytes) => Some(
            serde_json::from_slice(&bytes).map_err(|error| damaged(&stands, error.to_string()))?,
        ),
        None => None,
    };
    let mut unkept = None;
    let mut beat = |state: &FitState| {
        let text = serde_json::to_vec(state).expect("plain values serialise");
        unkept = disk.swap(&stands, &text).err();
        let validation = state.losses().last().map_or(f64::NAN, |losses| losses.validation);
        let beat = FitHeartbeat { epoch: state.epochs(), validation };
        let is_heard = heard(&serde_json::to_string(&beat).expect("plain values serialise"));
        if is_heard && unkept.is_none() { FitFlow::GoOn } else { FitFlow::Stop }
    };
    let work = || {
        let Opened { device, .. } = open()?;
        Ok(on_one_thread(|| fit(&task, &device, from, &mut beat)).and_then(|fitted| fitted)?)
    };
    let fitted = catch_unwind(AssertUnwindSafe(work));
    if let Some(error) = unkept {
        return Err(NoFit::Files(error.to_string()));
    }
    let fitted = fitted.unwrap_or_else(|panic| Err(NoFit::Device(words_of(&*panic))))?;
    let text = serde_json::to_vec(&Returned::of(&fitted)).expect("plain values serialise");
    let result = dir.join(&asked.result);
    disk.replace(&result, &text).map_err(|error| NoFit::Files(error.to_string()))
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> DeviceComplaint {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    DeviceComplaint::new(text.unwrap_or("a panic without words"))
}

/// Name and version of a task.
pub const SPEC: &str = "mjolnir.fit/2";
/// Name and version of what came of it.
pub const RESULT: &str = "mjolnir.fitted/1";

/// A task. Its rows lie in a file of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    schema: String,
    /// Name of the file of the rows, in the same folder.
    pub rows: String,
    /// Name that the file of the result gets, in the same folder.
    pub result: String,
    /// Name of the file in the same folder that says where the fit stands, after each epoch. What is there at the start is gone on from.
    pub state: String,
    width: usize,
    train: usize,
    validation: usize,
    hidden: Vec<usize>,
    activation: String,
    epochs_max: u32,
    batch: usize,
    learning_rate: f64,
    weight_decay: f64,
    patience: u32,
    improvement_min: f64,
    weighting: ClassWeights,
    seed: u64,
}

impl Spec {
    /// Of a task, with the names of the files of its rows, its result, and where it stands.
    pub fn of(task: &Task<'_>, [rows, result, state]: [String; 3]) -> Self {
        let FitSettings { hidden, activation, epochs_max, batch, learning_rate, .. } =
            task.settings.clone();
        let FitSettings { weight_decay, patience, improvement_min, weighting, seed, .. } =
            *task.settings;
        Self {
            schema: SPEC.to_owned(),
            rows,
            result,
            state,
            width: task.train.width,
            train: task.train.len(),
            validation: task.validation.len(),
            hidden,
            activation: activation.name().to_owned(),
            epochs_max,
            batch,
            learning_rate,
            weight_decay,
            patience,
            improvement_min,
            weighting,
            seed,
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let spec: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if spec.schema == SPEC {
            Ok(spec)
        } else {
            Err(format!("it is {}, not {SPEC}", spec.schema))
        }
    }

    /// How to learn.
    fn settings(&self) -> Result<FitSettings, String> {
        let known = [Activation::Relu, Activation::Tanh];
        let activation = known.into_iter().find(|known| known.name() == self.activation);
        Ok(FitSettings {
            hidden: self.hidden.clone(),
            activation: activation.ok_or_else(|| format!("no activation {}", self.activation))?,
            epochs_max: self.epochs_max,
            batch: self.batch,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            patience: self.patience,
            improvement_min: self.improvement_min,
            weighting: self.weighting,
            seed: self.seed,
        })
    }

    /// The rows to learn from and those to stop by.
    fn samples(&self, bytes: &[u8]) -> Result<[Samples; 2], String> {
        let of = |rows: usize| rows.checked_mul(self.width.checked_mul(4)?.checked_add(1)?);
        let whole = of(self.train).and_then(|train| train.checked_add(of(self.validation)?));
        if whole != Some(bytes.len()) {
            return Err(format!("its rows have {} bytes, not those of the task", bytes.len()));
        }
        let (train, validation) = bytes.split_at(of(self.train).unwrap_or_default());
        Ok([(train, self.train), (validation, self.validation)].map(|(bytes, rows)| {
            let (numbers, classes) = bytes.split_at(rows * self.width * 4);
            let number =
                |four: &[u8]| f32::from_le_bytes(four.try_into().expect("a number has four bytes"));
            let inputs = numbers.chunks_exact(4).map(number).collect();
            Samples { width: self.width, inputs, classes: classes.to_vec() }
        }))
    }
}

/// The rows of a task: of each part all inputs, four bytes each, then all classes, one byte each.
pub fn rows(task: &Task<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for samples in [task.train, task.validation] {
        bytes.extend(samples.inputs.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend(&samples.classes);
    }
    bytes
}

/// How far a fit is, one line of the worker per epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FitHeartbeat {
    /// Epochs done.
    pub epoch: u32,
    /// Mean loss of the validation rows, in nats.
    pub validation: f64,
}

/// A fitted network on its way back. Numbers are bits, so that none is changed by being written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returned {
    schema: String,
    layers: Vec<Layer>,
    best_epoch: u32,
    losses: Vec<Losses>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weights: Vec<u32>,
    bias: Vec<u32>,
}

impl Returned {
    /// Of a fitted network.
    pub fn of(fitted: &Fitted) -> Self {
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect();
        let layer = |layer: &Dense| Layer {
            inputs: layer.inputs,
            outputs: layer.outputs,
            weights: bits(&layer.weights),
            bias: bits(&layer.bias),
        };
        Self {
            schema: RESULT.to_owned(),
            layers: fitted.layers.iter().map(layer).collect(),
            best_epoch: fitted.best_epoch,
            losses: fitted.losses.clone(),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Fitted, String> {
        let read: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.schema != RESULT {
            return Err(format!("it is {}, not {RESULT}", read.schema));
        }
        let numbers = |bits: Vec<u32>| bits.into_iter().map(f32::from_bits).collect();
        let dense = |layer: Layer| Dense {
            inputs: layer.inputs,
            outputs: layer.outputs,
            weights: numbers(layer.weights),
            bias: numbers(layer.bias),
        };
        let layers = read.layers.into_iter().map(dense).collect();
        Ok(Fitted { layers, best_epoch: read.best_epoch, losses: read.losses })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{samples, settings},
        rows, *,
    };
    use crate::model::probe::DeviceReason;

    fn opened() -> Opened {
        let about = DeviceAbout { device: "cpu".to_owned(), ..DeviceAbout::default() };
        Opened { device: Device::Cpu, about }
    }

    #[test]
    fn a_driver_that_refuses_or_panics_has_a_verdict() {
        assert!(verdict(&|| Ok(opened()), 1e-4).ok);
        let refuses = || Err(DeviceComplaint::new("DriverError(CUDA_ERROR_NO_DEVICE)"));
        assert_eq!(verdict(&refuses, 1e-4).reason, Some(DeviceReason::NoDevice));
        let panics = || panic!("CUDA_ERROR_UNSUPPORTED_PTX_VERSION at {}", 1);
        assert_eq!(verdict(&panics, 1e-4).reason, Some(DeviceReason::PtxUnsupported));
    }

    #[test]
    fn a_fit_that_nobody_hears_ends_and_is_gone_on_with() {
        let (samples, settings) = (samples(), settings(6));
        let task = Task { train: &samples, validation: &samples, settings: &settings };
        let spec = Spec::of(&task, ["a.rows", "a.fitted", "a.state"].map(str::to_owned));
        let begun = || {
            let temp = tempfile::tempdir().unwrap();
            let disk = RealDisk::new(temp.path());
            disk.replace(&temp.path().join("a.rows"), &rows(&task)).unwrap();
            let spec = serde_json::to_vec(&spec).unwrap();
            disk.replace(&temp.path().join("a.json"), &spec).unwrap();
            temp
        };
        let upto = |dir: &Path, last: u32| {
            let mut epochs = Vec::new();
            let mut heard = |line: &str| {
                epochs.push(serde_json::from_str::<FitHeartbeat>(line).unwrap().epoch);
                epochs.last() < Some(&last)
            };
            let done = train(&|| Ok(opened()), &dir.join("a.json"), &mut heard);
            (done.map_err(|error| error.to_string()), epochs)
        };
        let (whole, cut) = (begun(), begun());
        assert_eq!(upto(whole.path(), 9), (Ok(()), vec![1, 2, 3, 4, 5, 6]));
        let (done, epochs) = upto(cut.path(), 3);
        assert!(done.unwrap_err().contains("asked to stop"));
        assert_eq!(epochs, [1, 2, 3]);
        assert_eq!(upto(cut.path(), 9), (Ok(()), vec![4, 5, 6]), "from where it stood");
        let fitted = |dir: &Path| RealDisk::new(dir).read(&dir.join("a.fitted")).unwrap();
        assert_eq!(fitted(cut.path()), fitted(whole.path()));
        RealDisk::new(cut.path()).replace(&cut.path().join("a.state"), b"{").unwrap();
        assert!(upto(cut.path(), 9).0.unwrap_err().contains("a.state: "));
    }

    #[test]
    fn a_task_that_is_not_there_or_damaged_is_an_error_that_names_it() {
        let temp = tempfile::tempdir().unwrap();
        let spec = temp.path().join("a.json");
        let train = || train(&|| Ok(opened()), &spec, &mut |_| true).unwrap_err().to_string();
        assert!(train().contains("a.json: this file does not exist"));
        RealDisk::new(temp.path()).replace(&spec, b"{}").unwrap();
        assert!(train().contains("a.json: missing field"), "{}", train());
    }

    fn few_samples(rows: usize) -> Samples {
        let inputs = (0..rows * 2).map(|n| n as f32 / 7.0 - 1.0).collect();
        Samples { width: 2, inputs, classes: (0..rows).map(|n| (n % 3) as u8).collect() }
    }

    fn fit_settings() -> FitSettings {
        FitSettings {
            hidden: vec![4, 3],
            activation: Activation::Tanh,
            epochs_max: 9,
            batch: 64,
            learning_rate: 0.1 + 0.2,
            weight_decay: 1e-3,
            patience: 2,
            improvement_min: 1e-5,
            weighting: ClassWeights::Balanced,
            seed: u64::MAX,
        }
    }

    #[test]
    fn a_task_arrives_as_it_was_sent() {
        let (train, validation, settings) = (few_samples(5), few_samples(3), fit_settings());
        let task = Task { train: &train, validation: &validation, settings: &settings };
        let spec = Spec::of(&task, ["a.rows", "a.result", "a.state"].map(str::to_owned));
        let bytes = serde_json::to_vec(&spec).unwrap();
        let spec = Spec::read(&bytes).unwrap();
        assert_eq!(spec.settings().unwrap(), settings);
        assert_eq!(spec.samples(&rows(&task)).unwrap(), [train.clone(), validation.clone()]);
        let short = &rows(&task)[1..];
        assert!(spec.samples(short).unwrap_err().contains("not those of the task"));
        let foreign = String::from_utf8(bytes).unwrap().replace(SPEC, "mjolnir.fit/3");
        assert!(Spec::read(foreign.as_bytes()).unwrap_err().contains("fit/2"));
        assert!(Spec::read(b"{}").is_err());
    }

    #[test]
    fn a_network_comes_back_bit_by_bit() {
        let layer =
            Dense { inputs: 1, outputs: 2, weights: vec![0.1, -0.0], bias: vec![1e-40, 3.0] };
        let losses = vec![Losses { train: 1.1, validation: 0.3 }];
        let fitted = Fitted { layers: vec![layer], best_epoch: 1, losses };
        let bytes = serde_json::to_vec(&Returned::of(&fitted)).unwrap();
        assert_eq!(Returned::read(&bytes).unwrap(), fitted);
        assert!(Returned::read(&bytes[..bytes.len() - 1]).is_err());
    }
}
