//! Whether the programs that are named are there and new enough, and the device of `[compute]` computes what the processor computes.

use super::Machine;
use crate::{
    checklist::{Check, Level},
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
pub fn tools(machine: &Machine<'_>) -> Result<Vec<Check>, Failure> {
    let (require, want) = (&machine.rules.require, &machine.rules.want);
    let needs = require.iter().map(|need| (need, Level::Fail));
    let needs = needs.chain(want.iter().map(|need| (need, Level::Warn)));
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

fn tool_check(need: &ToolNeed, bad: Level, said: &Said) -> Check {
    let (level, value) = match said {
        Said::Nothing => (bad, format!("it is not in {}, or does not start", argv::PATH)),
        Said::Text(text) => match (Version::find(text), need.least()) {
            (Some(found), Some(least)) if found < *least => (bad, format!("{found} is too old")),
            (None, Some(_)) => (bad, "it does not say its version".to_owned()),
            (Some(found), _) => (Level::Ok, found.to_string()),
            (None, None) => (Level::Ok, "it is there".to_owned()),
        },
    };
    let next = questions(need.name()).first().map(|words| words.join(" ")).unwrap_or_default();
    let name = format!("tool {}", need.name());
    Check::new(name, level, value)
        .part(PreflightPart::Tools.name())
        .limit(need.to_string())
        .next(next)
}

/// Asks the device for the proof that a training would ask for, unless the processor is all that is wanted.
pub fn device(
    context: &Context<'_>,
    compute: &Compute,
) -> Result<(Check, Option<DeviceVerdict>), Failure> {
    let verdict = match compute.device {
        ComputeDevice::Cpu => None,
        ComputeDevice::Gpu | ComputeDevice::Auto => Some(probe(context, compute)?),
    };
    Ok((device_check(compute, verdict.as_ref()), verdict))
}

fn device_check(compute: &Compute, verdict: Option<&DeviceVerdict>) -> Check {
    let (level, value) = match (verdict, compute.device) {
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
    let next = format!("{} probe --json", compute.worker);
    Check::new("device", level, value).part(PreflightPart::Device.name()).limit(limit).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::{DeviceAbout, DeviceReason};

    #[test]
    fn a_tool_is_absent_too_old_or_good() {
        let text = |text: &str| Said::Text(text.to_owned());
        for (need, said, level) in [
            ("rsync >= 3.1", Said::Nothing, Level::Fail),
            ("rsync >= 3.1", text("rsync  version 3.0.9  protocol"), Level::Fail),
            ("rsync >= 3.1", text("rsync  version 3.1.0  protocol"), Level::Ok),
            ("rsync >= 3.1", text("what?"), Level::Fail),
            ("rsync", text("what?"), Level::Ok),
        ] {
            assert_eq!(
                tool_check(&need.parse().unwrap(), Level::Fail, &said).level,
                level,
                "{need}"
            );
        }
    }

    #[test]
    fn the_processor_is_always_there_and_a_card_may_be_demanded() {
        let level = |device, verdict: Option<DeviceVerdict>| {
            device_check(&Compute { device, ..Compute::default() }, verdict.as_ref()).level
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
        assert_eq!(level(ComputeDevice::Cpu, None), Level::Ok);
        assert_eq!(level(ComputeDevice::Gpu, refused()), Level::Fail);
        assert_eq!(level(ComputeDevice::Gpu, good()), Level::Ok);
        assert_eq!(level(ComputeDevice::Auto, refused()), Level::Ok);
        assert_eq!(level(ComputeDevice::Auto, good()), Level::Ok);
    }
}
