//! Asking for the proof: the worker is started, watched, and judged. Whatever it does, this process goes on.

use super::{find::worker, judge::judge};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::Compute,
    model::probe::{Reason, Verdict},
    os::supervise::watch,
};

/// A proof that takes too long is asked for once more: the first start of a driver reads and compiles much.
const TRIES: u32 = 2;

/// The verdict about the card. A failure is only that this run was asked to stop.
pub fn probe(context: &Context<'_>, compute: &Compute) -> Result<Verdict, Failure> {
    let tolerance = compute.tolerance.to_string();
    let arguments = ["probe", "--json", "--tolerance", &tolerance];
    let limits = (Some(compute.probe_timeout.get().duration()), None);
    let asked = worker(context, compute, &arguments, limits);
    let runtime = runtime()?;
    let mut left = TRIES;
    loop {
        left -= 1;
        let seen = runtime.block_on(watch(&asked, &context.stop, &mut |_: &str| {}));
        if context.stop.asked() {
            let exit = context.stop.signal().map_or(Exit::Timeout, Exit::Signal);
            return Err(Failure::new(exit, "stopped while the card proved itself"));
        }
        let verdict = judge(&seen, &compute.worker, compute.tolerance);
        tracing::info!(
            ok = verdict.ok,
            reason = verdict.reason.map_or("", Reason::name),
            detail = verdict.detail,
            "the card was probed"
        );
        if verdict.reason != Some(Reason::Timeout) || left == 0 {
            return Ok(verdict);
        }
    }
}

/// What a child is waited for with.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Bug, format!("no runtime: {error}")))
}
