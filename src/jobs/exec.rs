//! The exec job: one program, started by its argument list, never by a shell.

use std::collections::BTreeMap;

use super::context::{Context, Failure, Outcome, runtime};
use crate::{
    exit::Exit,
    manifest::Exec,
    os::process::{self, Asker, Kin, ProcessEnd, Spawn},
};

pub fn run(context: &Context<'_>, exec: &Exec) -> Result<Outcome, Failure> {
    let runtime = runtime()?;
    let env =
        exec.env.iter().map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect();
    let spawn = Spawn {
        argv: exec.run.clone(),
        env,
        dir: exec.workdir.as_ref().map_or_else(|| context.path("."), |dir| context.path(dir)),
        timeout: None,
        grace: context.grace,
        results: context.child_results,
    };
    let program = exec.run.first().cloned().unwrap_or_default();
    if !spawn.dir.is_dir() {
        let message = format!("exec.workdir {}: this folder does not exist", spawn.dir.display());
        return Err(Failure::new(Exit::Negative, message));
    }
    let tag = context.process_tag(context.run_id.as_str());
    let kin = Some(Kin { tag: &tag, asked_by: Asker::Us });
    let ended = runtime.block_on(async {
        // What is written to a file or a page is covered here: the secrets of today are not known when it is shown.
        if context.mask.is_empty() {
            process::run(&spawn, kin, &context.stop).await
        } else {
            process::run_masked(&spawn, kin, context.mask, &context.stop).await
        }
    });
    let ended = ended
        .map_err(|error| Failure::new(Exit::Negative, format!("start `{program}`: {error}")))?;
    let ProcessEnd { code, stopped, .. } = ended;
    // What a program that was stopped says of itself does not count.
    let exit = match context.stop.signal().filter(|_| stopped) {
        Some(signal) => Exit::Signal(signal),
        None if code == exec.expect_exit && !stopped => Exit::Ok,
        None => Exit::Negative,
    };
    let summary = if stopped {
        format!("`{program}` was stopped and ended with exit code {code}")
    } else {
        format!("`{program}` ended with exit code {code}, expected {}", exec.expect_exit)
    };
    if exit != Exit::Ok {
        tracing::error!("{summary}");
    }
    let out = BTreeMap::from([("exit".to_owned(), code.to_string())]);
    Ok(Outcome { exit, summary, text: String::new(), out })
}
