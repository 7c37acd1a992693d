//! What this program and the worker hand each other about a fit: the task, its rows, and the network that came of it, as files.

use serde::{Deserialize, Serialize};

use crate::{
    engine::model::{Activation, Dense},
    manifest::ClassWeights,
    model::train::{FitSettings, Fitted, Losses, Samples, Task},
};

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

    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let spec: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if spec.schema == SPEC {
            Ok(spec)
        } else {
            Err(format!("it is {}, not {SPEC}", spec.schema))
        }
    }

    /// How to learn.
    pub fn settings(&self) -> Result<FitSettings, String> {
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
    pub fn samples(&self, bytes: &[u8]) -> Result<[Samples; 2], String> {
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

    pub fn read(bytes: &[u8]) -> Result<Fitted, String> {
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
    use super::*;

    fn samples(rows: usize) -> Samples {
        let inputs = (0..rows * 2).map(|n| n as f32 / 7.0 - 1.0).collect();
        Samples { width: 2, inputs, classes: (0..rows).map(|n| (n % 3) as u8).collect() }
    }

    fn settings() -> FitSettings {
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
        let (train, validation, settings) = (samples(5), samples(3), settings());
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
