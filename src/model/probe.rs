//! Whether a device computes what the processor computes: the arithmetic of a proof, and what is said about it.

use std::fmt::Write as _;

use candle_core::{D, Device, Result, Tensor, Var};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::train::{FitError, FitFlow, FitSettings, Samples, Task, fit};
use crate::{
    engine::{
        learn::label::Class,
        model::{Activation, CLASSES},
    },
    manifest::ClassWeights,
};

/// Name and version of the document.
pub const SCHEMA: &str = "mjolnir.probe/1";
/// Rows, inputs and hidden outputs of the network that is computed.
const SHAPE: [usize; 3] = [256, 32, 64];
/// Times the rows are seen by the fit.
const EPOCHS: u32 = 3;

/// Why a device is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceReason {
    /// The program that uses it is not there, or cannot be started.
    WorkerMissing,
    /// A library is missing that the program needs to start.
    Loader,
    /// There is no such device.
    NoDevice,
    /// The driver, or a library above it, refused.
    DriverError,
    /// The driver is too old for the kernels, or they are for other devices.
    PtxUnsupported,
    /// It computes other numbers than the processor.
    Mismatch,
    /// It computes something that is no number.
    Nonfinite,
    /// It did not answer in time.
    Timeout,
    /// It did not answer in time, and its process cannot be ended: the driver holds it.
    TimeoutUnkillable,
    /// The process was ended by a signal that nobody here sent.
    CrashedSignal,
    /// The process ended without a verdict that can be read.
    NoVerdict,
}

impl DeviceReason {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkerMissing => "worker_missing",
            Self::Loader => "loader",
            Self::NoDevice => "no_device",
            Self::DriverError => "driver_error",
            Self::PtxUnsupported => "ptx_unsupported",
            Self::Mismatch => "mismatch",
            Self::Nonfinite => "nonfinite",
            Self::Timeout => "timeout",
            Self::TimeoutUnkillable => "timeout_unkillable",
            Self::CrashedSignal => "crashed_signal",
            Self::NoVerdict => "no_verdict",
        }
    }

    /// What a complaint of a driver means.
    pub fn of_complaint(text: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_INVALID_DEVICE"]) {
            Self::NoDevice
        } else if has(&["_PTX", "CUDA_ERROR_NO_BINARY_FOR_GPU"]) {
            Self::PtxUnsupported
        } else {
            Self::DriverError
        }
    }
}

/// What is known of a device, as far as its driver says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceAbout {
    /// Which one, such as `cuda:0`.
    pub device: String,
    /// Version of its driver.
    pub driver: Option<String>,
    /// What its maker calls it.
    pub name: Option<String>,
    /// Its memory, in bytes.
    #[serde(rename = "memory")]
    pub memory_bytes: Option<u64>,
}

/// The verdict about a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceVerdict {
    /// Name and version of the document.
    pub schema: String,
    /// Whether it may be used.
    pub ok: bool,
    #[serde(flatten)]
    pub about: DeviceAbout,
    /// How far it is from the processor.
    pub max_error: Option<f64>,
    /// How far its second answer is from its first.
    pub repeat_error: Option<f64>,
    /// Why it may not be used.
    pub reason: Option<DeviceReason>,
    /// The same in words.
    #[serde(default)]
    pub detail: String,
}

impl DeviceVerdict {
    /// It may not be used.
    pub fn refused(reason: DeviceReason, detail: impl Into<String>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            ok: false,
            about: DeviceAbout { device: "cuda:0".to_owned(), ..DeviceAbout::default() },
            max_error: None,
            repeat_error: None,
            reason: Some(reason),
            detail: detail.into(),
        }
    }

    /// Why it may not be used, in one line.
    pub fn why(&self) -> String {
        let reason = self.reason.map_or("no reason", DeviceReason::name);
        if self.detail.is_empty() {
            reason.to_owned()
        } else {
            format!("{reason}: {}", self.detail)
        }
    }

    /// What it is, in one line.
    pub fn what(&self) -> String {
        let DeviceAbout { device, driver, name, memory_bytes } = &self.about;
        let mut text = format!("{device} {}", name.as_deref().unwrap_or("of unknown name"));
        if let Some(bytes) = memory_bytes {
            let _ = write!(text, ", {} MiB", bytes >> 20);
        }
        if let Some(driver) = driver {
            let _ = write!(text, ", driver {driver}");
        }
        text
    }
}

/// Numbers that are compared with one scale.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    name: &'static str,
    numbers: Vec<f64>,
}

/// What a driver, or a library above it, complained about. Only its words are known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DeviceComplaint(String);

impl DeviceComplaint {
    pub fn new(words: impl std::fmt::Display) -> Self {
        Self(words.to_string())
    }

    /// What it means.
    pub fn reason(&self) -> DeviceReason {
        DeviceReason::of_complaint(&self.0)
    }
}

impl From<candle_core::Error> for DeviceComplaint {
    fn from(error: candle_core::Error) -> Self {
        Self::new(error)
    }
}

impl From<FitError> for DeviceComplaint {
    fn from(error: FitError) -> Self {
        Self::new(error)
    }
}

/// Lets a device compute and compares it with the processor.
pub fn prove(
    device: &Device,
    about: DeviceAbout,
    tolerance: f64,
) -> std::result::Result<DeviceVerdict, DeviceComplaint> {
    let (theirs, again) = (answers(device)?, answers(device)?);
    let ours = answers(&Device::Cpu)?;
    Ok(judge(&ours, [&theirs, &again], about, tolerance))
}

/// Compares what a device says, twice, with what the processor says.
fn judge(
    ours: &[Group],
    theirs: [&[Group]; 2],
    about: DeviceAbout,
    tolerance: f64,
) -> DeviceVerdict {
    let failed = |reason, detail| DeviceVerdict {
        about: about.clone(),
        ..DeviceVerdict::refused(reason, detail)
    };
    for group in theirs.iter().flat_map(|groups| groups.iter()) {
        if let Some(place) = group.numbers.iter().position(|x| !x.is_finite()) {
            let (name, x) = (group.name, group.numbers[place]);
            return failed(DeviceReason::Nonfinite, format!("{name}: number {place} is {x}"));
        }
    }
    let mut max_error = 0.0_f64;
    for (a, b) in ours.iter().zip(theirs[0]) {
        let error = error(a, b);
        if error > tolerance {
            let detail =
                format!("{}: {error:.1e} from the processor, {tolerance:.1e} allowed", a.name);
            return DeviceVerdict {
                max_error: Some(error),
                ..failed(DeviceReason::Mismatch, detail)
            };
        }
        max_error = max_error.max(error);
    }
    let repeat_error =
        theirs[0].iter().zip(theirs[1]).map(|(a, b)| error(a, b)).fold(0.0, f64::max);
    if repeat_error > tolerance {
        let detail = format!("asked twice it says different things: {repeat_error:.1e} apart");
        return DeviceVerdict {
            repeat_error: Some(repeat_error),
            ..failed(DeviceReason::Mismatch, detail)
        };
    }
    DeviceVerdict {
        schema: SCHEMA.to_owned(),
        ok: true,
        about,
        max_error: Some(max_error),
        repeat_error: Some(repeat_error),
        reason: None,
        detail: String::new(),
    }
}

/// The largest difference over the largest of our numbers.
fn error(ours: &Group, theirs: &Group) -> f64 {
    if ours.numbers.len() != theirs.numbers.len() {
        return f64::INFINITY;
    }
    let most = ours.numbers.iter().fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let apart = ours.numbers.iter().zip(&theirs.numbers).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / most
}

/// Everything that is compared.
fn answers(device: &Device) -> std::result::Result<Vec<Group>, FitError> {
    let mut groups = step(device)?;
    let (train, validation) = (samples(512, 11), samples(128, 5));
    let settings = settings();
    let task = Task { train: &train, validation: &validation, settings: &settings };
    let mut losses = Vec::new();
    let fitted = fit(&task, device, None, &mut |_| FitFlow::GoOn)?;
    for loss in &fitted.losses {
        losses.extend([loss.train, loss.validation]);
    }
    groups.push(Group { name: "losses of a fit", numbers: losses });
    Ok(groups)
}

/// Small whole numbers around zero, the same everywhere: nothing is drawn.
fn made_up(many: usize, salt: usize) -> Vec<f32> {
    (0..many).map(|n| ((n * 37 + n / 7 * 11 + salt * 13) % 97) as f32 / 97.0 - 0.5).collect()
}

/// A matrix product, then one step of learning: scores, probabilities, loss, and the slopes of all weights.
fn step(device: &Device) -> Result<Vec<Group>> {
    let [rows, inputs, hidden] = SHAPE;
    let tensor = |many: usize, shape: (usize, usize), salt| {
        Tensor::from_vec(made_up(many, salt), shape, device)
    };
    let var =
        |shape: (usize, usize), salt| Var::from_tensor(&tensor(shape.0 * shape.1, shape, salt)?);
    let x = tensor(rows * inputs, (rows, inputs), 1)?;
    let (first, second) = (var((inputs, hidden), 2)?, var((hidden, CLASSES), 3)?);
    let bias = var((1, hidden), 4)?;
    let inner = x.matmul(&first)?.broadcast_add(&bias)?.relu()?;
    let scores = inner.matmul(&second)?;
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?;
    let logs = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)?;
    let wanted: Vec<f32> = (0..rows * CLASSES)
        .map(|n| f32::from(u8::from(n % CLASSES == n / CLASSES % CLASSES)))
        .collect();
    let wanted = Tensor::from_vec(wanted, (rows, CLASSES), device)?;
    let loss = (logs.mul(&wanted)?.sum_all()? / -(rows as f64))?;
    let slopes = loss.backward()?;
    let numbers = |tensor: &Tensor| -> Result<Vec<f64>> {
        Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
    };
    let mut groups = vec![
        Group { name: "a matrix product", numbers: numbers(&inner)? },
        Group { name: "scores", numbers: numbers(&scores)? },
        Group { name: "probabilities", numbers: numbers(&logs.exp()?)? },
        Group { name: "the loss", numbers: vec![f64::from(loss.to_scalar::<f32>()?)] },
    ];
    for (name, var) in [
        ("slopes of the first layer", &first),
        ("slopes of biases", &bias),
        ("slopes of the last layer", &second),
    ] {
        let slope = slopes.get(var).ok_or_else(|| candle_core::Error::Msg(format!("no {name}")))?;
        groups.push(Group { name, numbers: numbers(slope)? });
    }
    Ok(groups)
}

fn samples(rows: usize, salt: usize) -> Samples {
    const WIDTH: usize = 8;
    let mut samples = Samples::new(WIDTH);
    for row in made_up(rows * WIDTH, salt).chunks_exact(WIDTH) {
        let row: Vec<f64> = row.iter().copied().map(f64::from).collect();
        let class = match row[0] + row[1] * row[2] {
            x if x > 0.15 => Class::Up,
            x if x < -0.15 => Class::Down,
            _ => Class::Flat,
        };
        samples.push(&row, class);
    }
    samples
}

fn settings() -> FitSettings {
    FitSettings {
        hidden: vec![16],
        activation: Activation::Tanh,
        epochs_max: EPOCHS,
        batch: 128,
        learning_rate: 0.01,
        weight_decay: 0.01,
        patience: EPOCHS,
        improvement_min: 1e-5,
        weighting: ClassWeights::Balanced,
        seed: 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: f64 = 1e-4;

    fn about() -> DeviceAbout {
        DeviceAbout { device: "cpu".to_owned(), ..DeviceAbout::default() }
    }

    fn judged(ours: &[Group], theirs: &[Group]) -> DeviceVerdict {
        judge(ours, [theirs, theirs], about(), TOLERANCE)
    }

    #[test]
    fn the_processor_agrees_with_itself() {
        let verdict = prove(&Device::Cpu, about(), TOLERANCE).unwrap();
        assert!(verdict.ok, "{verdict:?}");
        assert_eq!((verdict.max_error, verdict.repeat_error), (Some(0.0), Some(0.0)));
        let groups = answers(&Device::Cpu).unwrap();
        assert_eq!(groups.len(), 8);
        for group in &groups {
            let most = group.numbers.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            assert!(most > 1e-3, "{} says nothing", group.name);
            let first = group.numbers[0];
            let same = group.numbers.len() > 1 && group.numbers.iter().all(|x| *x == first);
            assert!(!same, "{} is one number", group.name);
        }
    }

    #[test]
    fn any_wrong_number_in_any_group_is_a_mismatch_and_small_ones_are_not() {
        let ours = answers(&Device::Cpu).unwrap();
        for place in 0..ours.len() {
            let most = ours[place].numbers.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            for at in [0, ours[place].numbers.len() - 1] {
                let planted = |by: f64| {
                    let mut theirs = ours.clone();
                    theirs[place].numbers[at] += by * most;
                    judged(&ours, &theirs)
                };
                let wrong = planted(1.1e-4);
                assert_eq!(
                    (wrong.ok, wrong.reason),
                    (false, Some(DeviceReason::Mismatch)),
                    "{place}"
                );
                assert!(wrong.detail.contains(ours[place].name), "{}", wrong.detail);
                assert!(planted(0.9e-4).ok, "{place}");
                assert_eq!(planted(f64::NAN).reason, Some(DeviceReason::Nonfinite), "{place}");
                assert_eq!(planted(f64::INFINITY).reason, Some(DeviceReason::Nonfinite), "{place}");
            }
        }
    }

    #[test]
    fn a_device_that_changes_its_mind_or_says_too_little_is_not_used() {
        let ours = answers(&Device::Cpu).unwrap();
        let mut other = ours.clone();
        other[2].numbers[5] += 0.01;
        let verdict = judge(&ours, [&ours, &other], about(), TOLERANCE);
        assert_eq!(verdict.reason, Some(DeviceReason::Mismatch));
        let mut short = ours.clone();
        short[0].numbers.pop();
        assert_eq!(judged(&ours, &short).reason, Some(DeviceReason::Mismatch));
    }

    #[test]
    fn complaints_of_drivers_are_told_apart() {
        for (text, reason) in [
            (
                "DriverError(CUDA_ERROR_NO_DEVICE, \"no CUDA-capable device\")",
                DeviceReason::NoDevice,
            ),
            ("CUDA_ERROR_UNSUPPORTED_PTX_VERSION, the provided PTX", DeviceReason::PtxUnsupported),
            ("CUDA_ERROR_INVALID_PTX", DeviceReason::PtxUnsupported),
            ("CUDA_ERROR_UNKNOWN", DeviceReason::DriverError),
            ("CUBLAS_STATUS_NOT_INITIALIZED", DeviceReason::DriverError),
        ] {
            assert_eq!(DeviceReason::of_complaint(text), reason, "{text}");
        }
    }

    #[test]
    fn a_verdict_survives_text_and_reads_as_documented() {
        let about = DeviceAbout {
            device: "cuda:0".to_owned(),
            driver: Some("550.54".to_owned()),
            name: Some("Made Up".to_owned()),
            memory_bytes: Some(8 << 30),
        };
        let verdict = prove(&Device::Cpu, about, TOLERANCE).unwrap();
        let text = serde_json::to_string(&verdict).unwrap();
        for key in [
            "\"ok\":true",
            "\"device\":\"cuda:0\"",
            "\"driver\":",
            "\"name\":",
            "\"memory\":8589934592",
            "\"reason\":null",
        ] {
            assert!(text.contains(key), "{key}: {text}");
        }
        assert_eq!(serde_json::from_str::<DeviceVerdict>(&text).unwrap(), verdict);
        assert_eq!(verdict.what(), "cuda:0 Made Up, 8192 MiB, driver 550.54");
        let refused = DeviceVerdict::refused(DeviceReason::NoDevice, "none");
        assert_eq!(refused.why(), "no_device: none");
    }
}
