//! After the tree was sent: the programs that start it, and the proof that it works.

use std::time::Duration;

use super::{DeployReport, Execution};
use crate::{
    checklist::Level,
    clock::{Deadline, nap},
    exit::Exit,
    jobs::deploy::{
        argv,
        assess::{AssessOptions, Assessment},
        commands::stdout_of,
        findings::DeployFindings,
        inventory::shown,
    },
    manifest::Refusal,
    outcome::Failure,
};

/// Between two looks at whether to stop: a person who presses Ctrl-C waits no longer than this.
const LOOK: Duration = Duration::from_millis(200);
/// The least time that one try gets: at the end of `health-within` a program must still be able to start.
const TRY_MIN: Duration = Duration::from_secs(1);
/// What may be found again once the programs were started: they are the live loops.
const STARTED: [Refusal; 1] = [Refusal::LiveWriter];

/// Runs the programs of the manifest on the target. One that fails is the last.
pub fn run_commands(execution: &Execution<'_>, report: &mut DeployReport) -> Result<(), Failure> {
    let all = &execution.deploy.commands;
    for (at, command) in all.iter().enumerate() {
        let line = command.argv.join(" ");
        let limit = command.timeout.get().duration();
        run(execution, &command.argv, limit).map_err(|failure| {
            let rest = all.len() - at - 1;
            let message = format!("{}; {rest} more commands were not run", failure.message);
            Failure::new(failure.exit, message)
        })?;
        report.step(format!("`{line}` ended with 0"));
    }
    Ok(())
}

/// Assesses both sides again, asks whether the box is well, and has its state checked. The message names every trouble, not only the
/// first.
pub fn verify(
    execution: &Execution<'_>,
    options: &AssessOptions<'_>,
    report: &mut DeployReport,
) -> Result<(), Failure> {
    let mut troubles = Vec::new();
    for (what, done) in [
        ("a second look finds nothing to change and nothing to refuse", again(execution, options)),
        ("it is well", health(execution)),
        ("its state is good", state(execution)),
    ] {
        match done {
            Ok(Asked::Yes) => report.step(what),
            Ok(Asked::No) => {}
            Err(failure) if matches!(failure.exit, Exit::Signal(_)) => return Err(failure),
            Err(failure) => troubles.push(failure.message),
        }
    }
    if troubles.is_empty() {
        return Ok(());
    }
    let message = format!("deployed, and not verified: {}", troubles.join("; and "));
    Err(Failure::new(Exit::Negative, message))
}

/// Whether something was asked for at all.
enum Asked {
    Yes,
    No,
}

fn again(execution: &Execution<'_>, options: &AssessOptions<'_>) -> Result<Asked, Failure> {
    let session = execution.session;
    let mut findings = DeployFindings::new(&session.rules.severity);
    let connection = session.connect(&mut findings)?;
    let options = AssessOptions { name: "after", since: None, tolerated: &STARTED, ..*options };
    let Assessment { report, path, exit, .. } =
        session.assess(connection.as_ref(), &options, findings)?;
    let place = session.context.shown(&path);
    if let Some(found) = report.list.worst().filter(|found| found.level == Level::Fail) {
        let what = format!("{}: {}", found.name, found.value);
        return Err(Failure::new(exit, format!("a second look finds {what}, see {place}")));
    }
    if let Some(item) = report.items.first() {
        let (left, how, path) = (report.items.len(), item.described(), item.path());
        let what = format!("{left} items are still not as in the source, such as {path} ({how})");
        return Err(Failure::new(Exit::Negative, format!("{what}, see {place}")));
    }
    Ok(Asked::Yes)
}

/// Asks until it is well, or the time is up.
fn health(execution: &Execution<'_>) -> Result<Asked, Failure> {
    let deploy = execution.deploy;
    if deploy.health.is_empty() {
        return Ok(Asked::No);
    }
    let within = deploy.health_within.get().duration();
    let deadline = Deadline::after(Some(within));
    loop {
        let failure = match run(execution, &deploy.health, deadline.left().max(TRY_MIN)) {
            Ok(()) => return Ok(Asked::Yes),
            Err(failure) if matches!(failure.exit, Exit::Signal(_)) => return Err(failure),
            Err(failure) => failure,
        };
        if deadline.is_over() {
            let message = format!("not well within {}: {}", deploy.health_within, failure.message);
            return Err(Failure::new(Exit::Negative, message));
        }
        rest(execution, deploy.health_every.get().duration().min(deadline.left()));
    }
}

/// Waits, unless this run is asked to stop.
fn rest(execution: &Execution<'_>, time: Duration) {
    let deadline = Deadline::after(Some(time));
    while !deadline.is_over() && !execution.session.context.stop.asked() {
        nap(LOOK.min(deadline.left()));
    }
}

fn state(execution: &Execution<'_>) -> Result<Asked, Failure> {
    if execution.deploy.state.is_empty() {
        return Ok(Asked::No);
    }
    run(execution, &execution.deploy.state, execution.deploy.state_within.get().duration())?;
    Ok(Asked::Yes)
}

/// One program on the target, in its folder. Anything but 0 is a failure.
fn run(execution: &Execution<'_>, words: &[String], limit: Duration) -> Result<(), Failure> {
    let argv = argv::in_folder(execution.session.target, words);
    let said = execution.session.runner.remote_within(&argv, limit)?;
    let line = format!("`{}` on the target", words.join(" "));
    match stdout_of(&line, said) {
        Ok(output) => {
            tracing::info!(output = shown(&output), "{line} ended with 0");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
