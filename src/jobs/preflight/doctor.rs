//! What this program runs on: itself, the machine, and those checks of a preflight that do not depend on what the box is for.

use std::fmt::Write as _;

use serde::Serialize;

use super::{CheckManifests, Found, Machine, checks, here};
use crate::{
    checklist::{Checklist, Drawing, Level},
    exit::Exit,
    jobs::{context::Context, deploy::programs::CommandRunner},
    manifest::PreflightJob,
    os::machine::{memory_bytes, processor},
    outcome::Failure,
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.doctor/2";

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
    /// Programs, room, clock, device.
    #[serde(flatten)]
    found: Found,
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
    let Found { list, devices } = checks(&machine, job)?;
    let made = list.checks.into_iter().filter(|check| check.level != Level::Skipped);
    let list = Checklist::new(made.collect());
    let (cpu, cores) = processor();
    Ok(Doctor {
        schema: SCHEMA,
        ok: list.level != Level::Fail,
        build: context.build.to_owned(),
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        cpu,
        cores,
        memory: memory_bytes(),
        root: context.root.display().to_string(),
        profiles,
        found: Found { list, devices },
    })
}

impl Doctor {
    /// 0 when nothing failed.
    pub fn exit(&self) -> Exit {
        if self.ok { Exit::Ok } else { Exit::Negative }
    }

    /// A table for people.
    pub fn text(&self, drawing: Drawing) -> String {
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
        let list = &self.found.list;
        format!("{text}\n{}: {}\n\n{}", self.root, list.summary(), list.text(drawing))
    }
}
