//! After the tree was sent: the programs that start it, and the proof that it works.

use std::time::Duration;

use super::{job::Act, story::Story};
use crate::{
    clock::{Deadline, nap},
    exit::Exit,
    jobs::{
        context::Failure,
        deploy::{
            argv,
            finding::Findings,
            hands::good,
            look::{Looked, Scope},
        },
    },
    manifest::{Refusal, RefusalLevel},
};

/// Between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(200);
/// The least time that one try is given.
const TRY_MIN: Duration = Duration::from_secs(1);
/// What may be so again once the programs were started.
const STARTED: [Refusal; 1] = [Refusal::LiveWriter];

/// Runs the programs of the manifest on the target. One that fails is the last.
pub fn commands(act: &Act<'_>, story: &mut Story) -> Result<(), Failure> {
    let all = &act.deploy.commands;
    for (at, command) in all.iter().enumerate() {
        let line = command.argv.join(" ");
        let limit = command.timeout.get().duration();
        run(act, &command.argv, limit).map_err(|failure| {
            let rest = all.len() - at - 1;
            let message = format!("{}; {rest} more commands were not run", failure.message);
            Failure::new(failure.exit, message)
        })?;
        story.step(format!("`{line}` ended with 0"));
    }
    Ok(())
}

/// Looks again, asks whether it is well, and has its state checked. All of it is told, not the first trouble only.
pub fn verify(act: &Act<'_>, scope: &Scope<'_>, story: &mut Story) -> Result<(), Failure> {
    let mut troubles = Vec::new();
    for (what, done) in [
        ("a second look finds nothing to change and nothing to refuse", again(act, scope)),
        ("it is well", health(act)),
        ("its state is good", state(act)),
    ] {
        match done {
            Ok(Asked::Yes) => story.step(what),
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

fn again(act: &Act<'_>, scope: &Scope<'_>) -> Result<Asked, Failure> {
    let site = act.site;
    let mut findings = Findings::new(&site.rules.severity);
    let reached = site.reach(&mut findings)?;
    let scope = Scope { name: "after", since: None, tolerated: &STARTED, ..*scope };
    let Looked { report, path, exit, .. } = site.look(reached.as_ref(), &scope, findings)?;
    let place = site.context.shown(&path);
    let refused = report.findings.iter().find(|found| found.level == RefusalLevel::Refuse);
    if let Some(found) = refused {
        let what = format!("{}: {}", found.refusal.name(), found.what);
        return Err(Failure::new(exit, format!("a second look finds {what}, see {place}")));
    }
    if let Some([how, path]) = report.items.first() {
        let left = report.items.len();
        let what = format!("{left} items are still not as in the source, such as {how} {path}");
        return Err(Failure::new(Exit::Negative, format!("{what}, see {place}")));
    }
    Ok(Asked::Yes)
}

/// Asks until it is well, or the time is up.
fn health(act: &Act<'_>) -> Result<Asked, Failure> {
    let deploy = act.deploy;
    if deploy.health.is_empty() {
        return Ok(Asked::No);
    }
    let within = deploy.health_within.get().duration();
    let deadline = Deadline::after(Some(within));
    loop {
        let failure = match run(act, &deploy.health, deadline.left().max(TRY_MIN)) {
            Ok(()) => return Ok(Asked::Yes),
            Err(failure) if matches!(failure.exit, Exit::Signal(_)) => return Err(failure),
            Err(failure) => failure,
        };
        if deadline.is_over() {
            let message = format!("not well within {}: {}", deploy.health_within, failure.message);
            return Err(Failure::new(Exit::Negative, message));
        }
        rest(act, deploy.health_every.get().duration().min(deadline.left()));
    }
}

/// Waits, unless it is asked to stop.
fn rest(act: &Act<'_>, time: Duration) {
    let deadline = Deadline::after(Some(time));
    while !deadline.is_over() && !act.site.context.stop.asked() {
        nap(LOOK.min(deadline.left()));
    }
}

fn state(act: &Act<'_>) -> Result<Asked, Failure> {
    if act.deploy.state.is_empty() {
        return Ok(Asked::No);
    }
    run(act, &act.deploy.state, act.deploy.state_within.get().duration())?;
    Ok(Asked::Yes)
}

/// One program on the target, in its folder. Anything but 0 is a failure.
fn run(act: &Act<'_>, words: &[String], limit: Duration) -> Result<(), Failure> {
    let argv = argv::in_folder(act.site.target, words);
    let said = act.site.hands.there_within(&argv, limit)?;
    let line = format!("`{}` on the target", words.join(" "));
    match good(&line, said) {
        Ok(output) => {
            tracing::info!(
                output = crate::jobs::deploy::names::shown(&output),
                "{line} ended with 0"
            );
            Ok(())
        }
        Err(complaint) => Err(Failure::new(Exit::Negative, complaint.message)),
    }
}
