//! Whether the target is what was deployed last, and whether the source is newer than it.

use super::Case;
use crate::{
    jobs::deploy::{
        deployed::Deployed,
        facts::Way,
        finding::{Findings, shown_all},
        git::Ancestry,
        inventory::Kind,
        itemize::{Change, ItemKind},
        names::shown,
    },
    manifest::Refusal,
};

/// Edited, missing and stray files; and those that are only left over. What a deploy sent that was cut off is none of these.
pub fn drift(case: &Case<'_>, findings: &mut Findings<'_>) {
    let facts = case.facts;
    let last = facts.deployed.as_ref().map(Deployed::files);
    let sent = facts.deploying.as_ref().map(Deployed::files).unwrap_or_default();
    let (mut drifted, mut stale) = (Vec::new(), Vec::new());
    for (path, entry) in facts.target.seen(case.shields) {
        let in_source = facts.source.inventory.get(path).is_some();
        if entry.kind == Kind::Folder {
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
                drifted.push(format!("{name} (stray: nobody deployed it)"));
            } else if last.is_some() && stamp != facts.source.stamp(path) {
                drifted.push(format!("{name} (nobody deployed it, and it would be overwritten)"));
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
        if facts.target.inventory.get(path).is_none() && !case.shields.protects(path) {
            drifted.push(format!("{} (missing there)", shown(path)));
        }
    }
    let next = case.there.command("ls -la PATH");
    findings.about(Refusal::Drift, "the target is not what was deployed", drifted, next.clone());
    let what = "deployed once, gone from the source, still on the target";
    findings.about(Refusal::Stale, what, stale, next);
}

/// The source follows on what is deployed, and overwrites nothing newer.
pub fn older(case: &Case<'_>, findings: &mut Findings<'_>) {
    let facts = case.facts;
    if facts.way == Way::Back {
        return;
    }
    let commit = facts.deployed.as_ref().map_or("", |deployed| deployed.commit.as_str());
    let short = commit.get(..12).unwrap_or_default();
    let next = format!("git log --oneline -1 {commit}");
    match facts.ancestry {
        Ancestry::NothingDeployed | Ancestry::Behind => {}
        Ancestry::Elsewhere => {
            let what =
                format!("the deployed commit {short} does not lie behind HEAD: this would go back");
            findings.add(Refusal::OlderSource, what, format!("git log --oneline HEAD..{commit}"));
        }
        Ancestry::UnknownCommit => {
            let what = format!("the deployed commit {short} is unknown here: fetch it first");
            findings.add(Refusal::OlderSource, what, next);
        }
    }
    let newer = facts.plan.items.iter().filter(|item| {
        let sent = item.change == Change::Content && item.kind == ItemKind::File && !item.is_new();
        let here = facts.source.inventory.get(&item.name);
        let there = facts.target.inventory.get(&item.name);
        let differs = facts.source.hashes.get(&item.name) != facts.target.hashes.get(&item.name);
        sent && differs
            && here.zip(there).is_some_and(|(here, there)| there.mtime_ns > here.mtime_ns)
    });
    let newer = shown_all(newer.map(|item| item.name.as_slice()));
    let what = "newer on the target, with other content";
    findings.about(
        Refusal::OlderSource,
        what,
        newer,
        case.there.command("ls -la --full-time PATH"),
    );
}
