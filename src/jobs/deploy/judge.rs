//! The judges: from what was seen to what a deploy is refused for. They are pure. Here: what rsync would do, and drift.

mod surroundings;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    deployed::Deployed,
    facts::{DeployFacts, Direction},
    findings::{DeployFindings, TargetHint, shown_all},
    git::Ancestry,
    inventory::{Exclusions, TreeEntryKind, parents, shown},
    rsync_output::{ItemChange, ItemKind, RsyncItem, RsyncOutput, Sentence},
};
use crate::{
    domain::target::PatternPlace,
    manifest::{DeployCheck, Refusal},
};

/// What is found after drift, and how to go on: look, then keep the edit or give it up.
const DRIFTED: &str = "the target is not what was deployed; to keep an edit, copy it into the source and commit it; \
    to overwrite all of it, deploy with --set deploy-check.severity.drift=warn --set deploy-check.severity.older-source=warn";
/// What is found of files that are only left over, and what to do about them.
const STALE: &str = "deployed once, gone from the source, still on the target; `runner deploy --retire` moves it aside";

/// What a judge is given.
#[derive(Debug, Clone, Copy)]
pub struct JudgedDeploy<'a> {
    pub facts: &'a DeployFacts,
    pub exclusions: &'a Exclusions,
    pub rules: &'a DeployCheck,
    /// Commands for the target.
    pub hint: TargetHint<'a>,
}

/// Finds everything that speaks against a deploy.
pub fn judge(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    understood(case, findings);
    deletes(case, findings);
    protected(case, findings);
    hidden(case, findings);
    types(case, findings);
    level(case, findings);
    special(case, findings);
    amount(case, findings);
    drift(case, findings);
    older(case, findings);
    surroundings::links(case, findings);
    surroundings::owners(case, findings);
    surroundings::ports(case, findings);
    surroundings::room(case, findings);
    surroundings::git(case, findings);
    surroundings::secrets(case, findings);
    surroundings::writers(case, findings);
}

/// What rsync prints, its excludes and our lists must agree.
fn understood(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let again = "rsync --version";
    for (pass, listing) in both(case) {
        let what = format!("{pass}: rsync said what is not understood");
        findings.about(Refusal::NotUnderstood, what, listing.unknown.clone(), again);
        let odd =
            listing.items.iter().filter(|item| case.exclusions.hides(&item.name, place(item)));
        let odd = odd.filter(|item| !case.exclusions.protects(&item.name));
        let what = format!("{pass}: rsync names what the excludes hide");
        let paths = shown_all(odd.map(|item| item.name.as_slice()));
        findings.about(Refusal::NotUnderstood, what, paths, again);
        let vanished = shown_all(listing.paths_of(Sentence::Vanished));
        let what = format!("{pass}: files vanished while rsync looked");
        findings.about(Refusal::ChangedSince, what, vanished, "git status");
    }
    let unseen = |item: &&RsyncItem| {
        !item.name.is_empty() && case.facts.source.inventory.get(&item.name).is_none()
    };
    let unseen = case.facts.plan.items.iter().filter(unseen);
    let unseen = shown_all(unseen.map(|item| item.name.as_slice()));
    let what = "rsync would send what is not in the list of the source";
    findings.about(Refusal::ChangedSince, what, unseen, "git status");
    target_only(case, findings);
}

/// What only the target has must be the same by rsync and by our list: else one of the two was not looking.
fn target_only(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let (source, target) = (&case.facts.source.inventory, &case.facts.target.inventory);
    let listed: BTreeSet<&[u8]> =
        case.facts.target_only.deleting.iter().map(Vec::as_slice).collect();
    let ours = case.facts.target.deployable(case.exclusions);
    let ours = ours
        .filter(|(path, entry)| entry.kind != TreeEntryKind::Folder && source.get(path).is_none());
    let unlisted: Vec<&[u8]> =
        ours.map(|(path, _)| path).filter(|path| !listed.contains(path)).collect();
    let next = case.hint.command("find PATH");
    let what = "the target has files that rsync did not name";
    findings.about(Refusal::NotUnderstood, what, shown_all(unlisted), next.clone());
    let strange = listed.into_iter().filter(|path| target.get(path).is_none());
    let strange = strange.filter(|path| !case.exclusions.protects(path));
    let what = "rsync names what is not in the list of the target";
    findings.about(Refusal::NotUnderstood, what, shown_all(strange), next);
}

/// Nothing may be taken away.
fn deletes(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let plan = &case.facts.plan;
    let next = case.hint.command("ls -laR PATH");
    let deleted = shown_all(plan.deleting.iter().map(Vec::as_slice));
    findings.about(Refusal::Deletes, "the deploy would delete", deleted, next.clone());
    let in_the_way = shown_all(plan.paths_of(Sentence::FolderInTheWay));
    let what = "folders on the target are in the way of files";
    findings.about(Refusal::Deletes, what, in_the_way, next.clone());
    let source = &case.facts.source.inventory;
    let lost = case.facts.target_only.deleting.iter().filter(|path| {
        let above = |parent: &[u8]| {
            source.get(parent).is_some_and(|entry| entry.kind != TreeEntryKind::Folder)
        };
        parents(path).any(above)
    });
    let lost = shown_all(lost.map(Vec::as_slice));
    findings.about(Refusal::Deletes, "lost when their folder makes way", lost, next);
}

/// Protected paths are not touched, and git does not track them.
fn protected(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let mut touched = BTreeSet::new();
    for (_, listing) in both(case) {
        let items = listing.items.iter().map(|item| &item.name);
        let all = items.chain(&listing.deleting);
        touched.extend(all.filter(|path| case.exclusions.protects(path)).map(|path| shown(path)));
    }
    let what = "protected paths would be touched: an exclude is lost";
    let next = "runner show jobs/deploy-check.toml";
    findings.about(Refusal::ProtectedTouched, what, touched.into_iter().collect(), next);
    let tracked = case.facts.git.tracked.iter().filter(|path| case.exclusions.protects(path));
    let tracked = shown_all(tracked.map(Vec::as_slice));
    let what = "git tracks protected paths: they are meant to be sent, and never will be";
    findings.about(Refusal::ProtectedTouched, what, tracked, "git rm --cached FILE");
    let inside = case.facts.source.inventory.entries.keys();
    let inside = inside.filter(|path| !path.contains(&b'/') && case.exclusions.protects(path));
    let inside = inside.filter(|path| {
        let below =
            |tracked: &Vec<u8>| tracked == *path || parents(tracked).any(|above| above == *path);
        !case.facts.git.tracked.iter().any(below)
    });
    let what = "protected paths are in the source; only the excludes keep them here";
    let paths = shown_all(inside.map(Vec::as_slice));
    findings.about(Refusal::ProtectedInSource, what, paths, "git clone . ../clean");
}

/// No exclude hides what git tracks.
fn hidden(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let mut by_pattern: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for path in case.facts.git.tracked.iter().filter(|path| !case.exclusions.protects(path)) {
        if let Some(pattern) = case.exclusions.hider(path) {
            by_pattern.entry(pattern).or_default().push(shown(path));
        }
    }
    for (pattern, paths) in by_pattern {
        let what = format!("the exclude `{pattern}` hides files that git tracks");
        findings.about(Refusal::HiddenCode, what, paths, "git ls-files");
    }
}

/// What is a file stays a file, also where rsync would just replace it.
fn types(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let mut changed = Vec::new();
    for (path, here) in case.facts.source.deployable(case.exclusions) {
        let Some(there) = case.facts.target.inventory.get(path) else { continue };
        if here.kind != there.kind {
            let (is, becomes) = (there.kind.name(), here.kind.name());
            changed.push(format!("{} (a {is}, would become a {becomes})", shown(path)));
        }
    }
    let next = case.hint.command("ls -la PATH");
    let what = "the type of something on the target would change";
    findings.about(Refusal::TypeChange, what, changed, next);
}

/// The source is neither one folder too high nor too low.
fn level(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let (plan, name) = (&case.facts.plan, case.facts.source_name.as_slice());
    let next = case.hint.command("ls -la PATH");
    let created = shown_all(plan.paths_of(Sentence::CreatedFolder));
    findings.about(Refusal::WrongLevel, "the folder does not exist there", created, next.clone());
    let first = |path: &[u8]| path.split(|byte| *byte == b'/').next() == Some(name);
    let names: Vec<&Vec<u8>> =
        plan.items.iter().map(|item| &item.name).filter(|name| !name.is_empty()).collect();
    let is_known = case.facts.target.inventory.get(name).is_some();
    if !names.is_empty() && !is_known && names.iter().all(|path| first(path)) {
        let what = format!(
            "all that would be sent is in `{0}/` of `{0}`: one folder too high",
            shown(name)
        );
        findings.about(Refusal::WrongLevel, what, vec![shown(name)], "ls");
    }
    let source = &case.facts.source.inventory;
    let target = &case.facts.target.inventory;
    let tops: Vec<&[u8]> = case
        .facts
        .source
        .deployable(case.exclusions)
        .map(|(path, _)| path)
        .filter(|path| !path.contains(&b'/'))
        .collect();
    let doubled =
        tops.iter().filter(|path| target.get(&[name, b"/", path].concat()).is_some()).count();
    if source.get(name).is_none() && doubled * 2 > tops.len() {
        let what = "the target has the source as a folder inside itself: one level too low";
        findings.about(Refusal::WrongLevel, what, vec![format!("{}/", shown(name))], next);
    }
}

/// Files, folders and links with plain rights and names, and nothing else.
fn special(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let mut odd = Vec::new();
    let mut say = |path: &[u8], why: &str| odd.push(format!("{} ({why})", shown(path)));
    let largest = case.rules.limits.max_file_bytes.get().bytes();
    let mut folded: BTreeMap<String, &[u8]> = BTreeMap::new();
    for (path, entry) in case.facts.source.deployable(case.exclusions) {
        let is_file = entry.kind == TreeEntryKind::File;
        if entry.kind == TreeEntryKind::Other {
            say(path, "a device or pipe");
        }
        if is_file && entry.mode & 0o6000 != 0 {
            say(path, "setuid or setgid");
        }
        if is_file && entry.names > 1 {
            say(path, "a hard link");
        }
        if entry.kind != TreeEntryKind::Link && entry.mode & 0o002 != 0 {
            say(path, "everybody may write it");
        }
        if path.iter().any(u8::is_ascii_control) {
            say(path, "control characters in its name");
        }
        if is_file && entry.size > largest {
            say(path, "larger than max-file-bytes");
        }
        if let Some(other) = folded.insert(String::from_utf8_lossy(path).to_lowercase(), path) {
            say(path, &format!("differs from {} in case only", shown(other)));
        }
    }
    for item in &case.facts.plan.items {
        if matches!(item.kind, ItemKind::Device | ItemKind::Special) {
            say(&item.name, "a device or pipe");
        }
        if item.change == ItemChange::HardLink {
            say(&item.name, "a hard link");
        }
    }
    odd.sort();
    odd.dedup();
    findings.about(Refusal::SpecialFiles, "risky things would be sent", odd, "ls -la FILE");
}

/// Not more than a deploy may change; and what changes in its permissions only.
fn amount(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let (plan, limits) = (&case.facts.plan, &case.rules.limits);
    let changed = plan.items.iter().filter(|item| item.change != ItemChange::Attributes).count();
    let next = "git diff --stat";
    if changed > limits.max_changed_files as usize {
        let most = limits.max_changed_files;
        let what = format!("{changed} files would change, max-changed-files is {most}");
        findings.add(Refusal::TooMuch, what, next);
    }
    if plan.bytes > limits.max_new_bytes.get().bytes() {
        let (bytes, most) = (plan.bytes, &limits.max_new_bytes);
        findings.add(
            Refusal::TooMuch,
            format!("{bytes} bytes would be sent, max-new-bytes is {most}"),
            next,
        );
    }
    let perms =
        plan.items.iter().filter(|item| item.change == ItemChange::Attributes && item.has(b'p'));
    let paths =
        shown_all(perms.map(|item| if item.name.is_empty() { b"." } else { item.name.as_slice() }));
    findings.about(Refusal::PermsOnly, "only permissions would change", paths, next);
}

fn both<'a>(case: &JudgedDeploy<'a>) -> [(&'static str, &'a RsyncOutput); 2] {
    [("the plan", &case.facts.plan), ("what only the target has", &case.facts.target_only)]
}

fn place(item: &RsyncItem) -> PatternPlace {
    match item.kind {
        ItemKind::Folder => PatternPlace::Folder,
        ItemKind::File | ItemKind::Link | ItemKind::Device | ItemKind::Special => {
            PatternPlace::Other
        }
    }
}

/// Edited, missing and stray files; and those that are only left over. What a deploy sent that was cut off is none of these.
fn drift(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let facts = case.facts;
    let last = facts.deployed.as_ref().map(Deployed::files);
    let sent = facts.deploying.as_ref().map(Deployed::files).unwrap_or_default();
    let (mut drifted, mut stale) = (Vec::new(), Vec::new());
    for (path, entry) in facts.target.deployable(case.exclusions) {
        let in_source = facts.source.inventory.get(path).is_some();
        if entry.kind == TreeEntryKind::Folder {
            continue;
        }
        let name = shown(path);
        let stamp = facts.target.stamp(path);
        let was_sent = stamp.as_ref().is_some_and(|stamp| sent.get(path) == Some(&stamp));
        if was_sent && !in_source {
            stale.push(name);
            continue;
        }
        if was_sent {
            continue;
        }
        let Some(was) = last.as_ref().and_then(|last| last.get(path)) else {
            if !in_source {
                drifted.push(format!("{name} (stray: no deploy sent it)"));
            } else if last.is_some() && stamp != facts.source.stamp(path) {
                drifted.push(format!("{name} (no deploy sent it, and it would be overwritten)"));
            }
            continue;
        };
        let unchanged = stamp.as_ref() == Some(*was);
        let here = facts.source.stamp(path);
        if unchanged && !in_source {
            stale.push(name);
        } else if !unchanged && stamp != here {
            let moved_too = here.as_ref() != Some(*was);
            let how = if moved_too {
                "edited there, and changed here: a conflict"
            } else {
                "edited there"
            };
            drifted.push(format!("{name} ({how})"));
        }
    }
    for path in last.iter().flat_map(|last| last.keys()) {
        if facts.target.inventory.get(path).is_none() && !case.exclusions.protects(path) {
            drifted.push(format!("{} (missing there)", shown(path)));
        }
    }
    let target = case.hint.params();
    findings.about(
        Refusal::Drift,
        DRIFTED,
        drifted,
        format!("runner run jobs/drift.toml -p {target}"),
    );
    findings.about(
        Refusal::Stale,
        STALE,
        stale,
        format!("runner plan deploy -p {target} --retire"),
    );
}

/// The source follows on what is deployed, and overwrites nothing newer.
fn older(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let facts = case.facts;
    if facts.direction == Direction::Back {
        return;
    }
    let commit = facts.deployed.as_ref().map_or("", |deployed| deployed.commit.as_str());
    let short = commit.get(..12).unwrap_or_default();
    let next = format!("git log --oneline -1 {commit}");
    match facts.ancestry {
        Ancestry::NothingDeployed | Ancestry::Behind => {}
        Ancestry::Elsewhere => {
            let what =
                format!("the deployed commit {short} is not before HEAD: this would go back");
            findings.add(Refusal::OlderSource, what, format!("git log --oneline HEAD..{commit}"));
        }
        Ancestry::UnknownCommit => {
            let what = format!("the deployed commit {short} is unknown here: fetch it first");
            findings.add(Refusal::OlderSource, what, next);
        }
    }
    let newer = facts.plan.items.iter().filter(|item| {
        let sent =
            item.change == ItemChange::Content && item.kind == ItemKind::File && !item.is_new();
        let here = facts.source.inventory.get(&item.name);
        let there = facts.target.inventory.get(&item.name);
        let differs = facts.source.hashes.get(&item.name) != facts.target.hashes.get(&item.name);
        sent && differs
            && here.zip(there).is_some_and(|(here, there)| there.mtime_ns > here.mtime_ns)
    });
    let newer = shown_all(newer.map(|item| item.name.as_slice()));
    let what = "newer on the target, with other content";
    findings.about(Refusal::OlderSource, what, newer, case.hint.command("ls -la --full-time PATH"));
}
