//! What this program runs on: itself, the machine, and those checks of a preflight that do not depend on what the box is for.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    job::{Look, checks, here},
    result::{Checked, Level, Results},
};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        deploy::hands::Hands,
    },
    manifest::PreflightJob,
    model::probe::Verdict,
    os::machine::{memory_bytes, processor},
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.doctor/1";

/// Everything that is told.
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
    /// The folder in which `jobs/`, `profiles/` and `data/` lie.
    root: String,
    /// Names of the profiles there.
    profiles: Vec<String>,
    /// The devices, as they proved themselves; none where only the processor is wanted.
    devices: Vec<Verdict>,
    /// Programs, room, clock, device.
    checks: Vec<Checked>,
}

/// Looks at everything.
pub fn examine(
    context: &Context<'_>,
    job: &PreflightJob,
    profiles: Vec<String>,
) -> Result<Doctor, Failure> {
    let target = here(context);
    let timeout = job.preflight.command_timeout.get().duration();
    let hands = Hands::new(context, &target, timeout, context.root.to_owned())?;
    let look = Look { context, hands: &hands, rules: &job.preflight };
    let made = checks(&look, job)?;
    let made: Vec<Checked> = made.into_iter().filter(|c| c.level != Level::Skipped).collect();
    let (cpu, cores) = processor();
    Ok(Doctor {
        schema: SCHEMA,
        ok: made.iter().all(|check| check.level != Level::Fail),
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
        let results = Results::new(self.root.clone(), self.checks.clone());
        format!("{text}\n{}", results.text())
    }
}
