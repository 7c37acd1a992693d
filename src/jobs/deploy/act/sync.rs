//! Sends a tree: says on the target what is on its way, sends it, and notes there what stands there now.

use std::{collections::BTreeMap, path::Path};

use super::{job::Act, story::Story};
use crate::{
    clock::{Clock as _, SystemClock},
    exit::Exit,
    jobs::{
        context::Failure,
        deploy::{
            argv::{self, Pass, VANISHED},
            deployed::{About, Deployed, Stage, Stamp},
            facts::Facts,
            gather::Seen,
            hands::{good, words},
            inventory::Kind,
            itemize::Item,
            listing::Listing,
            names::shown,
            plan::told,
            shields::{DEPLOYED, DEPLOYING},
        },
    },
    os::supervise::Captured,
    store::{disk::Disk as _, document::document},
};

/// rsync ends with this when it cannot read or write a file, such as on a full disk.
const FILE_FAILED: i32 = 11;
/// Exit codes above are those of programs that a signal ended.
const SIGNALLED: i32 = 128;
/// rsync and ssh end with these when the connection was lost.
const CONNECTION_LOST: [i32; 5] = [10, 12, 30, 35, 255];

/// Sends the tree that was looked at, and notes it.
pub fn sync(act: &Act<'_>, seen: &Seen, tree: &Path, story: &mut Story) -> Result<(), Failure> {
    let facts = &seen.facts;
    let Some(commit) = &facts.git.commit else {
        let message = "the source has no commit to be noted on the target: commit first";
        return Err(Failure::new(Exit::Negative, message));
    };
    let last = facts.deployed.as_ref();
    let previous = last.and_then(|last| {
        if last.commit == *commit { last.previous.clone() } else { Some(last.commit.clone()) }
    });
    let message = act.site.context.mask.apply(&act.deploy.message);
    let about = |at: String| About {
        commit,
        build: act.site.context.build,
        at,
        previous: previous.clone(),
        message: &message,
    };
    story.previous = last.map(|last| last.commit.clone());
    let sent = stamps(act, facts);
    if let Some(note) = with_what_was_cut_off(facts) {
        send(act, &note, "deployed.json", DEPLOYED)?;
    }
    let intent = Deployed::new(Stage::Deploying, about(now()), sent.clone());
    send(act, &intent, "deploying.json", DEPLOYING)?;
    send_tree(act, seen, tree, story)?;
    let left = left_over(act, facts, &sent);
    story.stale = left.keys().map(|path| shown(path)).collect();
    let files = sent.into_iter().chain(left).collect();
    let note = Deployed::new(Stage::Deployed, about(now()), files);
    keep(act, &note)?;
    let intent = format!("{}{DEPLOYING}", act.site.target.path);
    let gone = act.site.hands.there(&words(["rm", "-f", "--", &intent]))?;
    good("rm", gone).map_err(|why| lost("take away what was on its way", &why.message))?;
    story.step(format!(
        "{} of {} files noted",
        DEPLOYED.trim_start_matches('/'),
        note.files().len()
    ));
    let call = &act.site.context.call;
    story.next = match &previous {
        Some(_) => format!("runner deploy {call} --rollback"),
        None => format!("runner deploy {call} (there is no earlier deploy to go back to)"),
    };
    Ok(())
}

/// Notes on the target what is deployed, and keeps a copy here.
pub fn keep(act: &Act<'_>, note: &Deployed) -> Result<(), Failure> {
    send(act, note, "deployed.json", DEPLOYED)?;
    let copy = act.site.context.layout.deployed_copy(&act.name);
    Ok(act.site.context.disk.replace(&copy, document(note).as_bytes())?)
}

fn send(act: &Act<'_>, note: &Deployed, name: &str, to: &str) -> Result<(), Failure> {
    let site = act.site;
    site.context.disk.replace(&site.dir.join(name), document(note).as_bytes())?;
    let argv = argv::send_file(name, site.target, to);
    let said = site.hands.here(argv, site.hands.dir(), BTreeMap::new())?;
    let code = said.code;
    let failed = |message: String| Failure::new(exit_of(code), message);
    let sent = good(&format!("rsync of {}", to.trim_start_matches('/')), said);
    sent.map(drop).map_err(|complaint| failed(complaint.message))
}

/// Sends the tree. What rsync did must be what it said it would do.
fn send_tree(act: &Act<'_>, seen: &Seen, tree: &Path, story: &mut Story) -> Result<(), Failure> {
    let site = act.site;
    let source = tree.to_str().ok_or_else(|| {
        Failure::new(Exit::Manifest, "the path of the source is no UTF-8: move it")
    })?;
    let argv = argv::rsync(Pass::Send, &site.shields, source, site.target);
    if let Some(word) = argv::dangerous(&argv) {
        let message =
            format!("rsync would be started with {word}: this is a bug, nothing was sent");
        return Err(Failure::new(Exit::Bug, message));
    }
    let limit = act.deploy.sync_timeout.get().duration();
    let start = || site.hands.here_within(argv.clone(), limit);
    let mut said = start()?;
    let mut listing = Listing::parse_sent(&said.stdout);
    if said.code == VANISHED {
        said = start()?;
        let again = Listing::parse_sent(&said.stdout);
        listing.items.extend(again.items);
        listing.unknown.extend(again.unknown);
    }
    story.sent = told(&listing.items);
    finished(said)?;
    as_planned(&seen.facts.plan.items, &listing)?;
    story.step(format!("{} items sent, as planned", listing.items.len()));
    Ok(())
}

fn finished(said: Captured) -> Result<(), Failure> {
    let code = said.code;
    good("rsync", said).map(drop).map_err(|complaint| {
        let message = format!(
            "the deploy was cut off: {}. Some files there are new and others old, none is half; run it again",
            complaint.message
        );
        Failure::new(exit_of(code), message)
    })
}

fn as_planned(planned: &[Item], listing: &Listing) -> Result<(), Failure> {
    let sorted = |items: &[Item]| {
        let mut all = told(items);
        all.sort();
        all
    };
    let (planned, sent) = (sorted(planned), sorted(&listing.items));
    let odd = sent.iter().find(|item| !planned.contains(item));
    let missing = planned.iter().find(|item| !sent.contains(item));
    let strange = listing.unknown.first().map(|text| ["not understood".to_owned(), text.clone()]);
    let told = [("sent and not planned", odd), ("planned and not sent", missing)];
    let first = told.iter().find_map(|(what, item)| Some((*what, (*item)?)));
    match first.or(strange.as_ref().map(|item| ("rsync said", item))) {
        None => Ok(()),
        Some((what, [how, path])) => {
            let message = format!(
                "rsync did something else than it had planned, {what}: {how} {path}; look at the target, and run it again"
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

fn lost(what: &str, why: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("{what}: {why}; run it again"))
}

fn now() -> String {
    SystemClock.now().to_string()
}

/// What is sent, or stands there already.
fn stamps(act: &Act<'_>, facts: &Facts) -> BTreeMap<Vec<u8>, Stamp> {
    let files =
        facts.source.seen(&act.site.shields).filter(|(_, entry)| entry.kind != Kind::Folder);
    files.filter_map(|(path, _)| Some((path.to_vec(), facts.source.stamp(path)?))).collect()
}

/// What was deployed once, is gone from the source, and stands there still: it stays known, or it would be taken for a stray.
fn left_over(
    act: &Act<'_>,
    facts: &Facts,
    sent: &BTreeMap<Vec<u8>, Stamp>,
) -> BTreeMap<Vec<u8>, Stamp> {
    let last = facts.deployed.as_ref().map(Deployed::files).unwrap_or_default();
    let cut = facts.deploying.as_ref().map(Deployed::files).unwrap_or_default();
    let there = facts.target.seen(&act.site.shields).map(|(path, _)| path);
    let known = there.filter(|path| !sent.contains_key(*path)).filter_map(|path| {
        let stands = facts.target.stamp(path)?;
        let was_cut = cut.get(path).is_some_and(|stamp| **stamp == stands);
        let stamp =
            if was_cut { Some(stands) } else { last.get(path).map(|stamp| (*stamp).clone()) };
        Some((path.to_vec(), stamp?))
    });
    known.collect()
}

/// The note of the last deploy with what a later one sent before it was cut off, or another cut would make that look like edits.
fn with_what_was_cut_off(facts: &Facts) -> Option<Deployed> {
    let (last, cut) = (facts.deployed.as_ref()?, facts.deploying.as_ref()?);
    let mut files: BTreeMap<Vec<u8>, Stamp> =
        last.files().into_iter().map(|(path, stamp)| (path, stamp.clone())).collect();
    for (path, stamp) in cut.files() {
        if facts.target.stamp(&path).as_ref() == Some(stamp) {
            files.insert(path, stamp.clone());
        }
    }
    let Deployed { commit, build, at, previous, message, .. } = last;
    let about = About { commit, build, at: at.clone(), previous: previous.clone(), message };
    Some(Deployed::new(Stage::Deployed, about, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(text: &str) -> Listing {
        let end = "Total transferred file size: 1 bytes\ntotal size is 2  speedup is 0.04\n";
        Listing::parse_sent(format!("{text}\n{end}").as_bytes())
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
