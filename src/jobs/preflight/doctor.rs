//! What this program runs on: itself, the machine, and those checks of a preflight that do not depend on what the box is for.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    CheckManifests, Machine, checks, here,
    result::{CheckLevel, PreflightCheck, PreflightReport},
};
use crate::{
    exit::Exit,
    jobs::{context::Context, deploy::commands::CommandRunner},
    manifest::PreflightJob,
    model::probe::DeviceVerdict,
    os::machine::{memory_bytes, processor},
    outcome::Failure,
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.doctor/1";

/// Everything that is shown.
#[derive(Debug, Serialize)]
pub struct Doctor {
    schema: &'static str,
    /// Whether nothing failed.
    ok: bool,
    /// This program.
    build: String,
    /// What it was compiled for.
    target: String,
    /// What the processor calls itself.
    cpu: String,
    /// Cores that this process may use.
    cores: usize,
    /// Memory, and what of it can still be had, in bytes.
    memory: Option<[u64; 2]>,
    /// The folder of `jobs/`, `profiles/` and `data/`.
    root: String,
    /// Names of the profiles there.
    profiles: Vec<String>,
    /// The devices, as they proved themselves; none where only the processor is wanted.
    devices: Vec<DeviceVerdict>,
    /// Programs, room, clock, device.
    checks: Vec<PreflightCheck>,
}

/// Looks at everything.
pub fn examine(
    context: &Context<'_>,
    job: &PreflightJob,
    profiles: Vec<String>,
    manifests: CheckManifests<'_>,
) -> Result<Doctor, Failure> {
    let target = here(context);
    let timeout = job.preflight.command_timeout.get().duration();
    let runner = CommandRunner::new(context, &target, timeout, context.root.to_owned())?;
    let rules = &job.preflight;
    let machine = Machine { context, runner: &runner, rules, manifests };
    let made = checks(&machine, job)?;
    let made: Vec<PreflightCheck> =
        made.into_iter().filter(|c| c.level != CheckLevel::Skipped).collect();
    let (cpu, cores) = processor();
    Ok(Doctor {
        schema: SCHEMA,
        ok: made.iter().all(|check| check.level != CheckLevel::Fail),
        build: context.build.to_owned(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        cpu,
        cores,
        memory: memory_bytes(),
        root: context.root.display().to_string(),
        profiles,
        devices: made.iter().filter_map(|check| check.probe.as_deref().cloned()).collect(),
        checks: made,
    })
}

impl Doctor {
    /// 0 when nothing failed.
    pub fn exit(&self) -> Exit {
        if self.ok { Exit::Ok } else { Exit::Negative }
    }

    /// A table for people.
    pub fn text(&self) -> String {
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        let memory = self.memory.map_or_else(
            || "the system does not say".to_owned(),
            |[all, free]| format!("{}, {} can be had", mib(all), mib(free)),
        );
        let facts = [
            ("build", self.build.clone()),
            ("target", self.target.clone()),
            ("cpu", format!("{}, {} cores", self.cpu, self.cores)),
            ("memory", memory),
            ("profiles", self.profiles.join(" ")),
        ];
        let mut text = String::new();
        for (name, value) in facts {
            let _ = writeln!(text, "{name:<10}{value}");
        }
        let results = PreflightReport::new(self.root.clone(), self.checks.clone());
        format!("{text}\n{}", results.text())
    }
}
