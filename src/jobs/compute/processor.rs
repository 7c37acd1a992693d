//! A fit on the processor, in a process of its own: this program again. The library of tensors takes its number of threads from
//! variables of the environment and from nothing else, and this process may not change its own.

use super::{
    find::{GRACE, NO_BACKTRACES, SAID_MAX},
    handed::{Handed, Keeping, Went},
    wire::Heartbeat,
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    model::train::{Fitted, Task},
    os::{
        limits::memory_limit,
        process::{Knows, Left, Results, Spawn, own_program},
        supervise::{Gone, Watch, Watched},
    },
};

/// What the processor is called.
pub const CPU: &str = "cpu";
/// Networks of this size are slower on many threads, and as many fits go on at once as there are threads: one each.
const ONE_THREAD: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];
/// An exit code above this one says which signal told the process to end.
const SIGNALS: i32 = 128;
/// The signal of which a process learns nothing.
const KILL: i32 = 9;
/// What is said before a process ends that gets no memory.
const NO_MEMORY: [&str; 2] = ["memory allocation of", "Cannot allocate memory"];

/// Carries out a fit, and says after which epoch it went on.
pub fn fit_here(
    context: &Context<'_>,
    (name, task): (&str, &Task<'_>),
    kept: Option<Keeping<'_, '_, '_>>,
    heard: &mut dyn FnMut(Heartbeat),
) -> Result<(Fitted, usize), Failure> {
    let program =
        own_program().map_err(|error| Failure::new(Exit::Io, format!("own program: {error}")))?;
    let handed = Handed::new(context, (name, CPU), kept);
    let process = |spec: &str| {
        let program = program.display().to_string();
        let one = ONE_THREAD.map(|name| (name, "1"));
        let variables = one.into_iter().chain(NO_BACKTRACES.map(|name| (name, "0")));
        let spawn = Spawn {
            argv: [&program, "fit", "--spec", spec].map(str::to_owned).to_vec(),
            env: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            dir: context.root.to_owned(),
            timeout: None,
            grace: GRACE,
            results: Results::Kept,
        };
        Watch { spawn, knows: Knows::All, silence: None, most: SAID_MAX }
    };
    let Went { seen, begun } = handed.carry_out(task, process, heard)?;
    let seen = seen.map_err(|error| Failure::new(Exit::Io, format!("start a fit: {error}")))?;
    if seen.gone != Gone::Left(Left::Code(0)) {
        return Err(failed(name, &seen));
    }
    let bug = |why: String| Failure::new(Exit::Bug, format!("{name}: {why}"));
    let fitted = handed.fitted()?.ok_or_else(|| bug("a fit that left no network".to_owned()))?;
    handed.keep()?;
    handed.clear()?;
    Ok((fitted.map_err(bug)?, begun))
}

/// Why there is no network.
fn failed(name: &str, seen: &Watched) -> Failure {
    let said = String::from_utf8_lossy(&seen.stderr);
    if memory_limit().is_some() && NO_MEMORY.iter().any(|words| said.contains(words)) {
        let message = "the job ran out of memory: run.memory-max is too small for it. Nothing was left half-written: raise it and start again";
        return Failure::new(Exit::Manifest, message);
    }
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let why = last.strip_prefix("error: ").unwrap_or(last);
    let is = |exit: Exit| seen.gone == Gone::Left(Left::Code(exit.code().into()));
    if let Some(exit) = [Exit::Data, Exit::Io].into_iter().find(|exit| is(*exit)) {
        return Failure::new(exit, format!("{name}: {why}"));
    }
    // Nobody told this run to stop: somebody ended the fit alone, or the system did for want of memory.
    let ended = |signal: i32| {
        let guess = if signal == KILL { " (out of memory?)" } else { "" };
        let why = format!("{name}: the process of the fit was ended by signal {signal}{guess}");
        Failure::new(Exit::Unavailable, why)
    };
    match seen.gone {
        Gone::Left(Left::Signal(signal)) => ended(signal),
        Gone::Left(Left::Code(code)) if code > SIGNALS => ended(code - SIGNALS),
        Gone::Left(Left::Code(_) | Left::Unknown)
        | Gone::TimedOut
        | Gone::Silent
        | Gone::Stopped
        | Gone::Unkillable => Failure::new(Exit::Bug, format!("{name}: {why}")),
    }
}
