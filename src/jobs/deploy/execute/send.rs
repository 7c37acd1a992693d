//! Sends a tree: notes on the target what is on its way, sends it, starts the programs, and proves that it is there.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{DeployReport, Execution};
use crate::{
    checklist::Level,
    clock::{Clock as _, Deadline, SystemClock, nap},
    exit::Exit,
    jobs::deploy::{
        assess::{AssessOptions, Assessment},
        collect::Snapshot,
        deployed::{ContentStamp, DeployNote, Deployed, Stage},
        facts::DeployFacts,
        findings::DeployFindings,
        inventory::{DEPLOYED, DEPLOYING, TreeEntryKind, shown},
        programs::{self, CommandError, Pass, VANISHED, stdout_of, words},
        rsync_output::{RsyncItem, RsyncOutput, item_rows},
    },
    manifest::Refusal,
    os::supervise::Captured,
    outcome::Failure,
    store::{disk::Disk as _, document::document},
};

/// rsync ends with this when it cannot read or write a file, such as on a full disk.
const FILE_FAILED: i32 = 11;
/// Exit codes above are those of programs that a signal ended.
const SIGNALLED: i32 = 128;
/// rsync and ssh end with these when the connection was lost.
const CONNECTION_LOST: [i32; 5] = [10, 12, 30, 35, 255];

/// Sends the tree that was looked at. Before, the target gets a note of what is on its way: without it, a deploy that is cut off would
/// leave files that look like edits.
pub fn send_and_note(
    execution: &Execution<'_>,
    snapshot: &Snapshot,
    tree: &Path,
    report: &mut DeployReport,
) -> Result<(), Failure> {
    let facts = &snapshot.facts;
    let Some(commit) = &facts.git.commit else {
        let message = "the source has no commit to be noted on the target: commit first";
        return Err(Failure::new(Exit::Negative, message));
    };
    let last = facts.deployed.as_ref();
    let previous = last.and_then(|last| {
        if last.commit == *commit { last.previous.clone() } else { Some(last.commit.clone()) }
    });
    let message = execution.session.context.mask.apply(&execution.deploy.message);
    let about = |at: String| DeployNote {
        commit,
        build: execution.session.context.build,
        at,
        previous: previous.clone(),
        message: &message,
    };
    report.previous = last.map(|last| last.commit.clone());
    let sent = stamps(execution, facts);
    if let Some(note) = with_what_was_cut_off(facts) {
        send(execution, &note, "deployed.json", DEPLOYED)?;
    }
    let intent = Deployed::new(Stage::Deploying, about(now()), sent.clone());
    send(execution, &intent, "deploying.json", DEPLOYING)?;
    send_tree(execution, snapshot, tree, report)?;
    let left = left_over(execution, facts, &sent);
    report.stale = left.keys().map(|path| shown(path)).collect();
    let files = sent.into_iter().chain(left).collect();
    let note = Deployed::new(Stage::Deployed, about(now()), files);
    keep(execution, &note)?;
    let intent = format!("{}{DEPLOYING}", execution.session.target.path);
    let gone = execution.session.runner.remote(&words(["rm", "-f", "--", &intent]))?;
    stdout_of("rm", gone).map_err(|why| lost("take away the note of what was on its way", &why))?;
    report.step(format!(
        "{} of {} files noted",
        DEPLOYED.trim_start_matches('/'),
        note.files().len()
    ));
    let call = &execution.session.context.call;
    report.next = match &previous {
        Some(_) => format!("runner deploy {call} --rollback"),
        None => format!("runner deploy {call} (no earlier deploy is known, so it cannot go back)"),
    };
    Ok(())
}

/// Notes on the target what is deployed, and keeps a copy here.
pub fn keep(execution: &Execution<'_>, note: &Deployed) -> Result<(), Failure> {
    send(execution, note, "deployed.json", DEPLOYED)?;
    let copy = execution.session.context.layout.deployed_copy(&execution.name);
    Ok(execution.session.context.disk.replace(&copy, document(note).as_bytes())?)
}

fn send(execution: &Execution<'_>, note: &Deployed, name: &str, to: &str) -> Result<(), Failure> {
    let session = execution.session;
    session.context.disk.replace(&session.dir.join(name), document(note).as_bytes())?;
    let argv = programs::send_file(name, session.target, to);
    let said = session.runner.local(argv, session.runner.dir(), BTreeMap::new())?;
    let code = said.code;
    let sent = stdout_of(&format!("rsync of {}", to.trim_start_matches('/')), said);
    sent.map(drop).map_err(|error| Failure::new(exit_of(code), error.to_string()))
}

/// Sends the tree. What rsync did must be what it said it would do.
fn send_tree(
    execution: &Execution<'_>,
    snapshot: &Snapshot,
    tree: &Path,
    report: &mut DeployReport,
) -> Result<(), Failure> {
    let session = execution.session;
    let source = tree.to_str().ok_or_else(|| {
        Failure::new(Exit::Manifest, "the path of the source is not UTF-8: move it")
    })?;
    let argv = programs::rsync(Pass::Send, &session.exclusions, source, session.target);
    if let Some(word) = programs::dangerous(&argv) {
        let message =
            format!("rsync would be started with {word}: this is a bug, nothing was sent");
        return Err(Failure::new(Exit::Bug, message));
    }
    let limit = execution.deploy.sync_timeout.get().duration();
    let start = || session.runner.local_within(argv.clone(), limit);
    let mut said = start()?;
    let mut listing = RsyncOutput::parse_sent(&said.stdout);
    if said.code == VANISHED {
        said = start()?;
        let again = RsyncOutput::parse_sent(&said.stdout);
        listing.items.extend(again.items);
        listing.unknown.extend(again.unknown);
    }
    report.sent(&listing.items);
    finished(said)?;
    as_planned(&snapshot.facts.plan.items, &listing)?;
    report.step(format!("{} items sent, as planned", listing.items.len()));
    Ok(())
}

fn finished(said: Captured) -> Result<(), Failure> {
    let code = said.code;
    stdout_of("rsync", said).map(drop).map_err(|error| {
        let message = format!(
            "the deploy was cut off: {error}; some files there are new and others old, none is half: run it again"
        );
        Failure::new(exit_of(code), message)
    })
}

fn as_planned(planned: &[RsyncItem], listing: &RsyncOutput) -> Result<(), Failure> {
    let sorted = |items: &[RsyncItem]| {
        let mut all = item_rows(items);
        all.sort();
        all
    };
    let (planned, sent) = (sorted(planned), sorted(&listing.items));
    let odd = sent.iter().find(|item| !planned.contains(item));
    let missing = planned.iter().find(|item| !sent.contains(item));
    let strange = listing.unknown.first().map(|text| ["not understood".to_owned(), text.clone()]);
    let differences = [("sent and not planned", odd), ("planned and not sent", missing)];
    let first = differences.iter().find_map(|(what, item)| Some((*what, (*item)?)));
    match first.or(strange.as_ref().map(|item| ("rsync said", item))) {
        None => Ok(()),
        Some((what, [how, path])) => {
            let message = format!(
                "rsync did something else than planned, {what}: {how} {path}; look at the target, and run it again"
            );
            Err(Failure::new(Exit::Negative, message))
        }
    }
}

/// The exit of this job for an exit code of rsync.
fn exit_of(code: i32) -> Exit {
    match code {
        FILE_FAILED => Exit::Io,
        // A receiver that was killed is a lost connection too.
        code if CONNECTION_LOST.contains(&code) || code > SIGNALLED => Exit::Unavailable,
        _ => Exit::Negative,
    }
}

fn lost(what: &str, why: &CommandError) -> Failure {
    Failure::new(Exit::Unavailable, format!("{what}: {why}; run it again"))
}

fn now() -> String {
    SystemClock.now().to_string()
}

/// What is sent, or is there already.
fn stamps(execution: &Execution<'_>, facts: &DeployFacts) -> BTreeMap<Vec<u8>, ContentStamp> {
    let files = facts
        .source
        .deployable(&execution.session.exclusions)
        .filter(|(_, entry)| entry.kind != TreeEntryKind::Folder);
    files.filter_map(|(path, _)| Some((path.to_vec(), facts.source.stamp(path)?))).collect()
}

/// What was deployed once, is gone from the source, and is still there: it stays known, or it would be taken for a stray.
fn left_over(
    execution: &Execution<'_>,
    facts: &DeployFacts,
    sent: &BTreeMap<Vec<u8>, ContentStamp>,
) -> BTreeMap<Vec<u8>, ContentStamp> {
    let last = facts.deployed.as_ref().map(Deployed::files).unwrap_or_default();
    let cut = facts.deploying.as_ref().map(Deployed::files).unwrap_or_default();
    let there = facts.target.deployable(&execution.session.exclusions).map(|(path, _)| path);
    let known = there.filter(|path| !sent.contains_key(*path)).filter_map(|path| {
        let found = facts.target.stamp(path)?;
        let was_cut = cut.get(path).is_some_and(|stamp| **stamp == found);
        let stamp =
            if was_cut { Some(found) } else { last.get(path).map(|stamp| (*stamp).clone()) };
        Some((path.to_vec(), stamp?))
    });
    known.collect()
}

/// The note of the last deploy with what a later one sent before it was cut off, or another cut would make that look like edits.
fn with_what_was_cut_off(facts: &DeployFacts) -> Option<Deployed> {
    let (last, cut) = (facts.deployed.as_ref()?, facts.deploying.as_ref()?);
    let mut files: BTreeMap<Vec<u8>, ContentStamp> =
        last.files().into_iter().map(|(path, stamp)| (path, stamp.clone())).collect();
    for (path, stamp) in cut.files() {
        if facts.target.stamp(&path).as_ref() == Some(stamp) {
            files.insert(path, stamp.clone());
        }
    }
    let Deployed { commit, build, at, previous, message, .. } = last;
    let about = DeployNote { commit, build, at: at.clone(), previous: previous.clone(), message };
    Some(Deployed::new(Stage::Deployed, about, files))
}

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
    let argv = programs::in_folder(execution.session.target, words);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(text: &str) -> RsyncOutput {
        let end = "Total transferred file size: 1 bytes\ntotal size is 2  speedup is 0.04\n";
        RsyncOutput::parse_sent(format!("{text}\n{end}").as_bytes())
    }

    #[test]
    fn what_was_done_must_be_what_was_planned() {
        let planned = listing("<f+++++++++ a\ncd+++++++++ d/").items;
        let ok = |text: &str| as_planned(&planned, &listing(text)).map_err(|f| f.message);
        assert_eq!(ok("cd+++++++++ d/\n<f+++++++++ a"), Ok(()));
        for (text, says) in [
            ("<f+++++++++ a", "planned and not sent"),
            ("<f+++++++++ a\ncd+++++++++ d/\n<f+++++++++ b", "sent and not planned"),
            ("<f.st...... a\ncd+++++++++ d/", "sent and not planned"),
            ("<f+++++++++ a\ncd+++++++++ d/\nhello", "rsync said"),
        ] {
            let why = ok(text).unwrap_err();
            assert!(why.contains(says), "{text}: {why}");
        }
    }

    #[test]
    fn exit_codes_of_rsync_are_told_apart() {
        assert_eq!(exit_of(11), Exit::Io);
        assert_eq!([exit_of(12), exit_of(255), exit_of(137)], [Exit::Unavailable; 3]);
        assert_eq!([exit_of(23), exit_of(24), exit_of(1)], [Exit::Negative; 3]);
    }
}
