//! Whether the device of `[compute]` is there, and computes what the processor computes: the proof that a training would ask for.

use super::result::{Checked, Level};
use crate::{
    jobs::{
        compute::probe::probe,
        context::{Context, Failure},
    },
    manifest::{Compute, ComputeDevice, PreflightPart},
    model::probe::Verdict,
};

/// Asks for the proof, unless the processor is all that is wanted.
pub fn device(context: &Context<'_>, compute: &Compute) -> Result<Checked, Failure> {
    let verdict = match compute.device {
        ComputeDevice::Cpu => None,
        ComputeDevice::Gpu | ComputeDevice::Auto => Some(probe(context, compute)?),
    };
    Ok(judge(compute, verdict))
}

/// Judges the proof. The verdict stays with the check.
fn judge(compute: &Compute, verdict: Option<Verdict>) -> Checked {
    let (level, value) = match (&verdict, compute.device) {
        (None, _) => (Level::Ok, "the processor".to_owned()),
        (Some(verdict), _) if verdict.ok => {
            let error = verdict.max_error.unwrap_or_default();
            (Level::Ok, format!("{}, within {error:.1e} of the processor", verdict.what()))
        }
        (Some(verdict), ComputeDevice::Gpu) => (Level::Fail, verdict.why()),
        (Some(verdict), ComputeDevice::Cpu | ComputeDevice::Auto) => {
            (Level::Ok, format!("the processor; no card, {}", verdict.why()))
        }
    };
    let limit = compute.device.name();
    let next = format!("{} probe --json; nvidia-smi; ls -l /dev/nvidia*", compute.worker);
    let check = Checked::new(PreflightPart::Device, "device", level, limit, value).next(next);
    Checked { probe: verdict.map(Box::new), ..check }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::{About, Reason};

    #[test]
    fn the_processor_is_always_there_and_a_card_may_be_demanded() {
        let level =
            |device, verdict| judge(&Compute { device, ..Compute::default() }, verdict).level;
        let refused = || Some(Verdict::refused(Reason::NoDevice, ""));
        let about = About { device: "cuda:0".to_owned(), ..About::default() };
        let good = || {
            Some(Verdict {
                ok: true,
                about: about.clone(),
                ..Verdict::refused(Reason::NoDevice, "")
            })
        };
        assert_eq!(level(ComputeDevice::Cpu, None), Level::Ok);
        assert_eq!(level(ComputeDevice::Gpu, refused()), Level::Fail);
        assert_eq!(level(ComputeDevice::Gpu, good()), Level::Ok);
        assert_eq!(level(ComputeDevice::Auto, refused()), Level::Ok);
        assert_eq!(level(ComputeDevice::Auto, good()), Level::Ok);
    }
}
