//! Whether the programs that are named are there and new enough, and the device of `[compute]` computes what the processor computes.

use super::{
    Machine,
    result::{CheckLevel, PreflightCheck},
};
use crate::{
    domain::tool::{ToolNeed, Version},
    jobs::{
        compute::fit_process::probe,
        context::Context,
        deploy::{argv, commands::CommandError},
    },
    manifest::{Compute, ComputeDevice, PreflightPart},
    model::probe::DeviceVerdict,
    outcome::Failure,
};

/// What a program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// It cannot be started, or does not know the question.
    Nothing,
    Text(String),
}

/// One check for each program that is named.
pub fn tools(machine: &Machine<'_>) -> Result<Vec<PreflightCheck>, Failure> {
    let (require, want) = (&machine.rules.require, &machine.rules.want);
    let needs = require.iter().map(|need| (need, CheckLevel::Fail));
    let needs = needs.chain(want.iter().map(|need| (need, CheckLevel::Warn)));
    needs.map(|(need, bad)| Ok(tool_check(need.get(), bad, &said(machine, need.get())?))).collect()
}

/// How a program is asked for its version; more than one way where it has several shapes.
fn questions(name: &str) -> Vec<Vec<String>> {
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect();
    match name {
        "compose" => {
            vec![words(&["docker", "compose", "version"]), words(&["docker-compose", "--version"])]
        }
        "ssh" => vec![words(&["ssh", "-V"])],
        name => vec![words(&[name, "--version"])],
    }
}

fn said(machine: &Machine<'_>, need: &ToolNeed) -> Result<Said, Failure> {
    for argv in questions(need.name()) {
        match machine.runner.local(argv, machine.context.root, [].into()) {
            Ok(said) if said.code == 0 && !said.timed_out => {
                let text = [said.stdout, b"\n".to_vec(), said.stderr].concat();
                let text = String::from_utf8_lossy(&text).into_owned();
                // A docker without compose may end with 0 and show its help.
                if need.name() != "compose" || text.to_lowercase().contains("version") {
                    return Ok(Said::Text(text));
                }
            }
            Ok(_) | Err(CommandError::NotStarted { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Said::Nothing)
}

fn tool_check(need: &ToolNeed, bad: CheckLevel, said: &Said) -> PreflightCheck {
    let (level, value) = match said {
        Said::Nothing => (bad, format!("it is not in {}, or does not start", argv::PATH)),
        Said::Text(text) => match (Version::find(text), need.least()) {
            (Some(found), Some(least)) if found < *least => (bad, format!("{found} is too old")),
            (None, Some(_)) => (bad, "it does not say its version".to_owned()),
            (Some(found), _) => (CheckLevel::Ok, found.to_string()),
            (None, None) => (CheckLevel::Ok, "it is there".to_owned()),
        },
    };
    let next = questions(need.name()).first().map(|words| words.join(" ")).unwrap_or_default();
    let name = format!("tool {}", need.name());
    PreflightCheck::new(PreflightPart::Tools, name, level, need.to_string(), value).next(next)
}

/// Asks the device for the proof that a training would ask for, unless the processor is all that is wanted.
pub fn device(context: &Context<'_>, compute: &Compute) -> Result<PreflightCheck, Failure> {
    let verdict = match compute.device {
        ComputeDevice::Cpu => None,
        ComputeDevice::Gpu | ComputeDevice::Auto => Some(probe(context, compute)?),
    };
    Ok(device_check(compute, verdict))
}

fn device_check(compute: &Compute, verdict: Option<DeviceVerdict>) -> PreflightCheck {
    let (level, value) = match (&verdict, compute.device) {
        (None, _) => (CheckLevel::Ok, "the processor".to_owned()),
        (Some(verdict), _) if verdict.ok => {
            let error = verdict.max_error.unwrap_or_default();
            (CheckLevel::Ok, format!("{}, within {error:.1e} of the processor", verdict.what()))
        }
        (Some(verdict), ComputeDevice::Gpu) => (CheckLevel::Fail, verdict.why()),
        (Some(verdict), ComputeDevice::Cpu | ComputeDevice::Auto) => {
            (CheckLevel::Ok, format!("the processor; no card, {}", verdict.why()))
        }
    };
    let limit = compute.device.name();
    let next = format!("{} probe --json; nvidia-smi; ls -l /dev/nvidia*", compute.worker);
    let check =
        PreflightCheck::new(PreflightPart::Device, "device", level, limit, value).next(next);
    PreflightCheck { probe: verdict.map(Box::new), ..check }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::{DeviceAbout, DeviceReason};

    #[test]
    fn a_tool_is_absent_too_old_or_good() {
        let text = |text: &str| Said::Text(text.to_owned());
        for (need, said, level) in [
            ("rsync >= 3.1", Said::Nothing, CheckLevel::Fail),
            ("rsync >= 3.1", text("rsync  version 3.0.9  protocol"), CheckLevel::Fail),
            ("rsync >= 3.1", text("rsync  version 3.1.0  protocol"), CheckLevel::Ok),
            ("rsync >= 3.1", text("what?"), CheckLevel::Fail),
            ("rsync", text("what?"), CheckLevel::Ok),
        ] {
            assert_eq!(
                tool_check(&need.parse().unwrap(), CheckLevel::Fail, &said).level,
                level,
                "{need}"
            );
        }
    }

    #[test]
    fn the_processor_is_always_there_and_a_card_may_be_demanded() {
        let level = |device, verdict| {
            device_check(&Compute { device, ..Compute::default() }, verdict).level
        };
        let refused = || Some(DeviceVerdict::refused(DeviceReason::NoDevice, ""));
        let about = DeviceAbout { device: "cuda:0".to_owned(), ..DeviceAbout::default() };
        let good = || {
            Some(DeviceVerdict {
                ok: true,
                about: about.clone(),
                ..DeviceVerdict::refused(DeviceReason::NoDevice, "")
            })
        };
        assert_eq!(level(ComputeDevice::Cpu, None), CheckLevel::Ok);
        assert_eq!(level(ComputeDevice::Gpu, refused()), CheckLevel::Fail);
        assert_eq!(level(ComputeDevice::Gpu, good()), CheckLevel::Ok);
        assert_eq!(level(ComputeDevice::Auto, refused()), CheckLevel::Ok);
        assert_eq!(level(ComputeDevice::Auto, good()), CheckLevel::Ok);
    }
}
