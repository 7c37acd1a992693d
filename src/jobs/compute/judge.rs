//! What is to be thought of a card: how its worker ended, what it said, and whether a network that comes back from it is believed.

use std::io;

use crate::{
    engine::{
        learn::scores::softmax,
        model::{Dense, Network},
    },
    model::{
        probe::{DeviceReason, DeviceVerdict, SCHEMA},
        train::{Fitted, Samples, Task},
    },
    os::{
        process::ProcessStatus,
        supervise::{Watched, WatchedEnd},
    },
};

/// Longest complaint that is shown, in characters.
const COMPLAINT_MAX: usize = 300;
/// What the loader of the system says of a program whose libraries are missing.
const LOADER: [&str; 2] =
    ["error while loading shared libraries", "cannot open shared object file"];

/// The verdict. Exit code 0 alone counts for nothing, and neither does a verdict without it.
pub(super) fn judge(seen: &io::Result<Watched>, program: &str, tolerance: f64) -> DeviceVerdict {
    let seen = match failed(seen, program) {
        Ok(seen) => seen,
        Err(refused) => return *refused,
    };
    let nothing = |detail: String| DeviceVerdict::refused(DeviceReason::NoVerdict, detail);
    if seen.cut {
        return nothing(format!("`{program}` said more than can be its verdict"));
    }
    let Some(verdict) = said(&seen.stdout) else {
        return nothing(format!("`{program}` ended with exit code 0 and said no verdict"));
    };
    let DeviceVerdict { ok, max_error, repeat_error, .. } = &verdict;
    if !ok {
        return nothing(format!("`{program}` ended with exit code 0 and says: {}", verdict.why()));
    }
    let errors = [max_error.unwrap_or(f64::INFINITY), repeat_error.unwrap_or(f64::INFINITY)];
    if errors.iter().all(|error| (0.0..=tolerance).contains(error)) {
        return verdict;
    }
    let detail = format!(
        "it says it is {:e} from the processor and {:e} from itself, {tolerance:e} is allowed",
        errors[0], errors[1]
    );
    DeviceVerdict { about: verdict.about, ..DeviceVerdict::refused(DeviceReason::Mismatch, detail) }
}

/// What is wrong with a worker that did not end with exit code 0.
pub(super) fn failed<'s>(
    seen: &'s io::Result<Watched>,
    program: &str,
) -> Result<&'s Watched, Box<DeviceVerdict>> {
    let refused = |reason, detail: String| Err(Box::new(DeviceVerdict::refused(reason, detail)));
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            return refused(DeviceReason::WorkerMissing, format!("start `{program}`: {error}"));
        }
    };
    match seen.gone {
        WatchedEnd::Left(ProcessStatus::Code(0)) => Ok(seen),
        WatchedEnd::Left(ProcessStatus::Code(code)) => {
            Err(Box::new(complained(seen, program, code)))
        }
        WatchedEnd::Left(ProcessStatus::Signal(signal)) => refused(
            DeviceReason::CrashedSignal,
            format!("`{program}` was ended by signal {signal}"),
        ),
        WatchedEnd::Left(ProcessStatus::Unknown) => {
            refused(DeviceReason::NoVerdict, format!("how `{program}` ended is unknown"))
        }
        WatchedEnd::TimedOut => {
            refused(DeviceReason::Timeout, format!("`{program}` did not end in time"))
        }
        WatchedEnd::Silent => {
            refused(DeviceReason::Timeout, format!("`{program}` said nothing for too long"))
        }
        WatchedEnd::Stopped => refused(DeviceReason::NoVerdict, format!("`{program}` was stopped")),
        WatchedEnd::Unkillable => refused(
            DeviceReason::TimeoutUnkillable,
            format!("`{program}` did not end in time and cannot be killed: the driver holds it"),
        ),
    }
}

/// Of a worker that ended with an error.
fn complained(seen: &Watched, program: &str, code: i32) -> DeviceVerdict {
    let complaint = String::from_utf8_lossy(&seen.stderr).into_owned();
    let short = shortened(&complaint);
    let with_code = format!("`{program}` ended with exit code {code}: {short}");
    if LOADER.iter().any(|words| complaint.contains(words)) {
        return DeviceVerdict::refused(DeviceReason::Loader, with_code);
    }
    match said(&seen.stdout) {
        Some(verdict) if !verdict.ok && verdict.reason.is_some() => {
            DeviceVerdict { detail: shortened(&verdict.detail), ..verdict }
        }
        _ if complaint.contains("CUDA_ERROR") => {
            DeviceVerdict::refused(DeviceReason::of_complaint(&complaint), with_code)
        }
        _ => DeviceVerdict::refused(DeviceReason::NoVerdict, with_code),
    }
}

/// The verdict in the last line, if it is one.
fn said(stdout: &[u8]) -> Option<DeviceVerdict> {
    let text = String::from_utf8_lossy(stdout);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    let verdict: DeviceVerdict = serde_json::from_str(line).ok()?;
    (verdict.schema == SCHEMA).then_some(verdict)
}

/// The end of a complaint on one line, without what would disturb a terminal.
fn shortened(text: &str) -> String {
    let plain = text.trim().replace(['\n', '\r'], "; ");
    let plain: Vec<char> = plain.chars().filter(|c| !c.is_control()).collect();
    plain[plain.len().saturating_sub(COMPLAINT_MAX)..].iter().collect()
}

/// The card never has the last word: the network must have the shape that was asked for, be made of numbers, and have the loss that it
/// is said to have when the scorer of this program computes it.
pub(super) fn checked(
    fitted: Fitted,
    task: &Task<'_>,
    tolerance: f64,
) -> Result<Fitted, Box<DeviceVerdict>> {
    let wrong = |detail: String| Box::new(DeviceVerdict::refused(DeviceReason::Mismatch, detail));
    let best = (fitted.best_epoch as usize).checked_sub(1).and_then(|at| fitted.losses.get(at));
    let Some(best) = best else {
        return Err(wrong(format!("epoch {} does not exist", fitted.best_epoch)));
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
        return Err(Box::new(DeviceVerdict::refused(DeviceReason::Nonfinite, detail)));
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
    use super::{
        super::sample::{samples, settings},
        *,
    };
    use crate::model::train::{Device, FitFlow, fit};

    const GOOD: &str = r#"{"schema":"mjolnir.probe/1","ok":true,"device":"cuda:0","max_error":1e-6,"repeat_error":0.0}"#;

    fn ended(gone: WatchedEnd, stdout: &str, stderr: &str) -> Watched {
        let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.as_bytes().to_vec());
        Watched { gone, code: 0, stdout, stderr, cut: false }
    }

    fn judged(seen: Watched) -> DeviceVerdict {
        judge(&Ok(seen), "w", 1e-4)
    }

    #[test]
    fn only_exit_0_with_a_verdict_within_the_tolerance_counts() {
        let code = |code| WatchedEnd::Left(ProcessStatus::Code(code));
        assert!(judged(ended(code(0), GOOD, "")).ok);
        assert!(judged(ended(code(0), &format!("junk\n{GOOD}\n\n"), "noise")).ok);
        let with = |from: &str, to: &str| {
            assert!(GOOD.contains(from));
            GOOD.replace(from, to)
        };
        for (code_, stdout, wanted) in [
            (0, String::new(), DeviceReason::NoVerdict),
            (0, "ok".to_owned(), DeviceReason::NoVerdict),
            (0, format!("{GOOD}\nand more"), DeviceReason::NoVerdict),
            (0, with("probe/1", "probe/2"), DeviceReason::NoVerdict),
            (0, with("true", "false"), DeviceReason::NoVerdict),
            (0, with("1e-6", "2e-4"), DeviceReason::Mismatch),
            (0, with("1e-6", "null"), DeviceReason::Mismatch),
            (0, with("1e-6", "-1.0"), DeviceReason::Mismatch),
            (0, with("0.0", "0.1"), DeviceReason::Mismatch),
            (1, GOOD.to_owned(), DeviceReason::NoVerdict),
            (3, with("true", "false,\"reason\":\"nonfinite\""), DeviceReason::Nonfinite),
        ] {
            assert_eq!(judged(ended(code(code_), &stdout, "")).reason, Some(wanted), "{stdout}");
        }
        let mut long = ended(code(0), GOOD, "");
        long.cut = true;
        assert_eq!(judged(long).reason, Some(DeviceReason::NoVerdict));
    }

    #[test]
    fn every_way_of_failing_has_its_reason() {
        let missing = Err(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(judge(&missing, "w", 1e-4).reason, Some(DeviceReason::WorkerMissing));
        let code = |code| WatchedEnd::Left(ProcessStatus::Code(code));
        let loader = "w: error while loading shared libraries: libcuda.so.1: cannot open";
        for (gone, stderr, wanted) in [
            (code(127), loader, DeviceReason::Loader),
            (code(127), "not found", DeviceReason::NoVerdict),
            (code(3), "CUDA_ERROR_NO_DEVICE", DeviceReason::NoDevice),
            (code(3), "CUDA_ERROR_UNKNOWN", DeviceReason::DriverError),
            (code(3), "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", DeviceReason::PtxUnsupported),
            (WatchedEnd::Left(ProcessStatus::Signal(4)), "", DeviceReason::CrashedSignal),
            (WatchedEnd::Left(ProcessStatus::Unknown), "", DeviceReason::NoVerdict),
            (WatchedEnd::TimedOut, "", DeviceReason::Timeout),
            (WatchedEnd::Silent, "", DeviceReason::Timeout),
            (WatchedEnd::Stopped, "", DeviceReason::NoVerdict),
            (WatchedEnd::Unkillable, "", DeviceReason::TimeoutUnkillable),
        ] {
            // Even with a good verdict on its stdout.
            assert_eq!(judged(ended(gone, GOOD, stderr)).reason, Some(wanted), "{gone:?} {stderr}");
        }
    }

    #[test]
    fn a_complaint_is_short_and_plain() {
        let long = format!("{}\n\u{1b}[31mend", "x".repeat(9_000));
        let verdict = judged(ended(WatchedEnd::Left(ProcessStatus::Code(3)), "", &long));
        assert!(verdict.detail.chars().count() < 400 && verdict.detail.ends_with("end"));
        assert!(!verdict.detail.contains('\u{1b}'));
    }

    #[test]
    fn a_network_that_came_back_is_believed_only_if_our_scorer_agrees() {
        let (samples, settings) = (samples(), settings(3));
        let task = Task { train: &samples, validation: &samples, settings: &settings };
        let fitted = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap();
        let with = |change: fn(&mut Fitted)| {
            let mut fitted = fitted.clone();
            change(&mut fitted);
            checked(fitted, &task, 1e-4).map_err(|refused| refused.reason)
        };
        assert_eq!(with(|_| ()).unwrap(), fitted);
        let mismatch = Err(Some(DeviceReason::Mismatch));
        assert_eq!(with(|f| f.layers[0].weights[0] += 1.0), mismatch);
        assert_eq!(with(|f| f.losses[2].validation += 0.01), mismatch);
        assert_eq!(with(|f| f.best_epoch = 4), mismatch);
        assert_eq!(with(|f| f.best_epoch = 0), mismatch);
        assert_eq!(with(|f| drop(f.layers.pop())), mismatch);
        assert_eq!(with(|f| f.layers.clear()), mismatch);
        assert_eq!(with(|f| f.layers[0].bias.push(0.0)), mismatch);
        let nonfinite = Err(Some(DeviceReason::Nonfinite));
        assert_eq!(with(|f| f.layers[1].bias[0] = f32::NAN), nonfinite);
    }
}
