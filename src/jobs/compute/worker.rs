//! What the worker does: it proves a device, and fits on it. Only the device is missing here: whoever calls this opens it, and no
//! failure of a driver goes further than this process.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use thiserror::Error;

use super::wire::{FitHeartbeat, Returned, Spec};
use crate::{
    model::{
        probe::{DeviceAbout, DeviceReason, DeviceVerdict, prove},
        train::{Device, FitError, FitFlow, FitState, Task, fit, on_one_thread},
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
    #[error("{0}")]
    Device(String),
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

/// Opens the device, or says what its driver complains about.
pub type Open<'a> = &'a dyn Fn() -> Result<Opened, String>;

/// The verdict about the device. A library that panics has refused.
pub fn verdict(open: Open<'_>, tolerance: f64) -> DeviceVerdict {
    let work = || open().and_then(|Opened { device, about }| prove(&device, about, tolerance));
    let complained = |text: String| DeviceVerdict::refused(DeviceReason::of_complaint(&text), text);
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
        let Opened { device, .. } = open().map_err(NoFit::Device)?;
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

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            sample::{samples, settings},
            wire::rows,
        },
        *,
    };

    fn opened() -> Opened {
        let about = DeviceAbout { device: "cpu".to_owned(), ..DeviceAbout::default() };
        Opened { device: Device::Cpu, about }
    }

    #[test]
    fn a_driver_that_refuses_or_panics_has_a_verdict() {
        assert!(verdict(&|| Ok(opened()), 1e-4).ok);
        let refuses = || Err("DriverError(CUDA_ERROR_NO_DEVICE)".to_owned());
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
}
