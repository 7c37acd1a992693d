//! What rsync would do, held against what stands on both sides.

use std::collections::{BTreeMap, BTreeSet};

use super::Case;
use crate::{
    jobs::deploy::{
        finding::{Findings, shown_all},
        inventory::Kind,
        itemize::{Change, Item, ItemKind, Told},
        listing::Listing,
        names::{parents, shown},
    },
    manifest::Refusal,
};

/// rsync's words, its excludes and our lists must tell one story.
pub fn understood(case: &Case<'_>, findings: &mut Findings<'_>) {
    let again = "rsync --version";
    for (pass, listing) in both(case) {
        let what = format!("{pass}: rsync said what is not understood");
        findings.about(Refusal::NotUnderstood, what, listing.unknown.clone(), again);
        let odd = listing.items.iter().filter(|item| case.shields.hides(&item.name, place(item)));
        let odd = odd.filter(|item| !case.shields.protects(&item.name));
        let what = format!("{pass}: rsync names what the excludes hide");
        let paths = shown_all(odd.map(|item| item.name.as_slice()));
        findings.about(Refusal::NotUnderstood, what, paths, again);
        let vanished = shown_all(listing.told(Told::Vanished));
        let what = format!("{pass}: files vanished while rsync looked");
        findings.about(Refusal::ChangedSince, what, vanished, "git status");
    }
    let unseen = |item: &&Item| {
        !item.name.is_empty() && case.facts.source.inventory.get(&item.name).is_none()
    };
    let unseen = case.facts.plan.items.iter().filter(unseen);
    let unseen = shown_all(unseen.map(|item| item.name.as_slice()));
    let what = "rsync would send what is not in the list of the source";
    findings.about(Refusal::ChangedSince, what, unseen, "git status");
    target_only(case, findings);
}

/// What only the target has must be the same by rsync and by our list: else one of the two was not looking.
fn target_only(case: &Case<'_>, findings: &mut Findings<'_>) {
    let (source, target) = (&case.facts.source.inventory, &case.facts.target.inventory);
    let listed: BTreeSet<&[u8]> =
        case.facts.target_only.deleting.iter().map(Vec::as_slice).collect();
    let ours = case.facts.target.seen(case.shields);
    let ours =
        ours.filter(|(path, entry)| entry.kind != Kind::Folder && source.get(path).is_none());
    let unlisted: Vec<&[u8]> =
        ours.map(|(path, _)| path).filter(|path| !listed.contains(path)).collect();
    let next = case.there.command("find PATH");
    let what = "the target has files that rsync did not name";
    findings.about(Refusal::NotUnderstood, what, shown_all(unlisted), next.clone());
    let strange = listed.into_iter().filter(|path| target.get(path).is_none());
    let strange = strange.filter(|path| !case.shields.protects(path));
    let what = "rsync names what is not in the list of the target";
    findings.about(Refusal::NotUnderstood, what, shown_all(strange), next);
}

/// Nothing may be taken away.
pub fn deletes(case: &Case<'_>, findings: &mut Findings<'_>) {
    let plan = &case.facts.plan;
    let next = case.there.command("ls -laR PATH");
    let deleted = shown_all(plan.deleting.iter().map(Vec::as_slice));
    findings.about(Refusal::Deletes, "the deploy would delete", deleted, next.clone());
    let in_the_way = shown_all(plan.told(Told::FolderInTheWay));
    let what = "folders on the target stand where files must be";
    findings.about(Refusal::Deletes, what, in_the_way, next.clone());
    let source = &case.facts.source.inventory;
    let lost = case.facts.target_only.deleting.iter().filter(|path| {
        let above =
            |parent: &[u8]| source.get(parent).is_some_and(|entry| entry.kind != Kind::Folder);
        parents(path).any(above)
    });
    let lost = shown_all(lost.map(Vec::as_slice));
    findings.about(Refusal::Deletes, "lost when their folder makes way", lost, next);
}

/// Protected paths are not touched, and git does not track them.
pub fn protected(case: &Case<'_>, findings: &mut Findings<'_>) {
    let mut touched = BTreeSet::new();
    for (_, listing) in both(case) {
        let items = listing.items.iter().map(|item| &item.name);
        let all = items.chain(&listing.deleting);
        touched.extend(all.filter(|path| case.shields.protects(path)).map(|path| shown(path)));
    }
    let what = "protected paths would be touched: an exclude is lost";
    let next = "runner show jobs/deploy-check.toml";
    findings.about(Refusal::ProtectedTouched, what, touched.into_iter().collect(), next);
    let tracked =
        case.facts.git.tracked.iter().filter(|path| case.shields.must_not_be_tracked(path));
    let tracked = shown_all(tracked.map(Vec::as_slice));
    let what = "git tracks protected paths: they are meant to be sent, and never will be";
    findings.about(Refusal::ProtectedTouched, what, tracked, "git rm --cached PATH");
    let inside = case.facts.source.inventory.entries.keys();
    let inside =
        inside.filter(|path| !path.contains(&b'/') && case.shields.must_not_be_tracked(path));
    let inside = inside.filter(|path| {
        let below =
            |tracked: &Vec<u8>| tracked == *path || parents(tracked).any(|above| above == *path);
        !case.facts.git.tracked.iter().any(below)
    });
    let what = "protected paths lie in the source; only the excludes keep them here";
    let paths = shown_all(inside.map(Vec::as_slice));
    findings.about(Refusal::ProtectedInSource, what, paths, "git clone . ../clean");
}

/// No exclude hides what git tracks.
pub fn hidden(case: &Case<'_>, findings: &mut Findings<'_>) {
    let mut by_pattern: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for path in case.facts.git.tracked.iter().filter(|path| !case.shields.protects(path)) {
        if let Some(pattern) = case.shields.hider(path) {
            by_pattern.entry(pattern).or_default().push(shown(path));
        }
    }
    for (pattern, paths) in by_pattern {
        let what = format!("the exclude `{pattern}` hides files that git tracks");
        findings.about(Refusal::HiddenCode, what, paths, "git ls-files");
    }
}

/// What is a file stays a file, also where rsync would just replace it.
pub fn types(case: &Case<'_>, findings: &mut Findings<'_>) {
    let mut changed = Vec::new();
    for (path, here) in case.facts.source.seen(case.shields) {
        let Some(there) = case.facts.target.inventory.get(path) else { continue };
        if here.kind != there.kind {
            let (is, becomes) = (there.kind.name(), here.kind.name());
            changed.push(format!("{} (a {is}, would become a {becomes})", shown(path)));
        }
    }
    let next = case.there.command("ls -la PATH");
    let what = "the type of what stands on the target would change";
    findings.about(Refusal::TypeChange, what, changed, next);
}

/// The source lies neither too high nor too low.
pub fn level(case: &Case<'_>, findings: &mut Findings<'_>) {
    let (plan, name) = (&case.facts.plan, case.facts.source_name.as_slice());
    let next = case.there.command("ls -la PATH");
    let created = shown_all(plan.told(Told::CreatedFolder));
    findings.about(Refusal::WrongLevel, "the folder does not exist there", created, next.clone());
    let first = |path: &[u8]| path.split(|byte| *byte == b'/').next() == Some(name);
    let names: Vec<&Vec<u8>> =
        plan.items.iter().map(|item| &item.name).filter(|name| !name.is_empty()).collect();
    let is_known = case.facts.target.inventory.get(name).is_some();
    if !names.is_empty() && !is_known && names.iter().all(|path| first(path)) {
        let what = format!(
            "all that would be sent lies in `{0}/` of `{0}`: one folder too high",
            shown(name)
        );
        findings.about(Refusal::WrongLevel, what, vec![shown(name)], "ls");
    }
    let source = &case.facts.source.inventory;
    let target = &case.facts.target.inventory;
    let tops: Vec<&[u8]> = case
        .facts
        .source
        .seen(case.shields)
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
pub fn special(case: &Case<'_>, findings: &mut Findings<'_>) {
    let mut odd = Vec::new();
    let mut say = |path: &[u8], why: &str| odd.push(format!("{} ({why})", shown(path)));
    let largest = case.rules.limits.max_file_bytes.get().bytes();
    let mut folded: BTreeMap<String, &[u8]> = BTreeMap::new();
    for (path, entry) in case.facts.source.seen(case.shields) {
        let is_file = entry.kind == Kind::File;
        if entry.kind == Kind::Other {
            say(path, "a device or pipe");
        }
        if is_file && entry.mode & 0o6000 != 0 {
            say(path, "setuid or setgid");
        }
        if is_file && entry.names > 1 {
            say(path, "a hard link");
        }
        if entry.kind != Kind::Link && entry.mode & 0o002 != 0 {
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
        if item.change == Change::HardLink {
            say(&item.name, "a hard link");
        }
    }
    odd.sort();
    odd.dedup();
    findings.about(Refusal::SpecialFiles, "risky things would be sent", odd, "ls -la PATH");
}

/// Not more than a deploy may change; and what changes in its permissions only.
pub fn amount(case: &Case<'_>, findings: &mut Findings<'_>) {
    let (plan, limits) = (&case.facts.plan, &case.rules.limits);
    let changed = plan.items.iter().filter(|item| item.change != Change::Attributes).count();
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
        plan.items.iter().filter(|item| item.change == Change::Attributes && item.has(b'p'));
    let paths =
        shown_all(perms.map(|item| if item.name.is_empty() { b"." } else { item.name.as_slice() }));
    findings.about(Refusal::PermsOnly, "only permissions would change", paths, next);
}

fn both<'a>(case: &Case<'a>) -> [(&'static str, &'a Listing); 2] {
    [("the plan", &case.facts.plan), ("what only the target has", &case.facts.target_only)]
}

fn place(item: &Item) -> crate::domain::pattern::Place {
    use crate::domain::pattern::Place;
    match item.kind {
        ItemKind::Folder => Place::Folder,
        ItemKind::File | ItemKind::Link | ItemKind::Device | ItemKind::Special => Place::Other,
    }
}
