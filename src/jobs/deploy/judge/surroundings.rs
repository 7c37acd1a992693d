//! What surrounds a deploy: links, owners, ports, room, git, live loops, secrets.

use super::JudgedDeploy;
use crate::{
    jobs::deploy::{
        compose::ServiceUser,
        facts::Direction,
        findings::{DeployFindings, shown_all},
        git::is_secret_name,
        inventory::{escapes, link_on_the_way, shown},
        rsync_output::{ItemChange, ItemKind, Sentence},
    },
    manifest::Refusal,
};

/// No link leads out of the source, and no path on the target leads through a link.
pub fn links(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let (source, target) = (&case.facts.source, &case.facts.target);
    let out =
        source.deployable(case.exclusions).filter(|(path, _)| escapes(&source.inventory, path));
    let out = out.map(|(path, entry)| format!("{} -> {}", shown(path), shown(&entry.link)));
    let what = "links in the source lead out of it";
    findings.about(Refusal::SymlinkEscape, what, out.collect(), "find . -type l -ls");
    let unsafe_links = shown_all(case.facts.plan.paths_of(Sentence::UnsafeLink));
    findings.about(
        Refusal::SymlinkEscape,
        "rsync leaves links out",
        unsafe_links,
        "find . -type l -ls",
    );
    let through = case.facts.plan.items.iter().filter_map(|item| {
        let link = link_on_the_way(&target.inventory, &item.name)?;
        Some(format!("{} (through the link {})", shown(&item.name), shown(link)))
    });
    let what = "paths on the target lead through a link";
    let next = case.hint.command("find PATH -type l -ls");
    findings.about(Refusal::SymlinkEscape, what, through.collect(), next);
}

/// Everything on the target belongs to the user who deploys, and that is not root.
pub fn owners(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let (uid, target) = (case.facts.uid, &case.facts.target);
    let foreign = target.deployable(case.exclusions).filter(|(_, entry)| entry.uid != uid);
    let foreign = foreign.map(|(path, entry)| format!("{} (user {})", shown(path), entry.uid));
    let mut foreign: Vec<String> = foreign.collect();
    let top = &target.inventory.top;
    if top.uid != uid {
        foreign.push(format!("the folder itself (user {})", top.uid));
    }
    let next = case.hint.command(&format!("find PATH -not -uid {uid} -ls"));
    let what = format!("not owned by user {uid}, who deploys");
    findings.about(Refusal::RootOwned, what, foreign, next.clone());
    let changed = case.facts.plan.items.iter().filter(|item| item.has(b'o') || item.has(b'g'));
    let changed = shown_all(changed.map(|item| item.name.as_slice()));
    findings.about(Refusal::RootOwned, "owners or groups would change", changed, next);
    if uid == 0 {
        let what = "the user on the target is root: what is deployed would be root's";
        findings.add(Refusal::RunsAsRoot, what, case.hint.command("id"));
    }
    let services = case.facts.published.first().and_then(|first| first.services.as_ref().ok());
    let without =
        services.into_iter().flatten().filter(|service| service.user == ServiceUser::Root);
    let without = without.map(|service| format!("service {}", service.name)).collect();
    let what = "containers without a `user`: their files would be root's";
    findings.about(
        Refusal::RootOwned,
        what,
        without,
        format!("less {}", case.rules.ports.compose_file),
    );
}

/// Every published port is bound to loopback, or listed.
pub fn ports(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let file = &case.rules.ports.compose_file;
    for published in &case.facts.published {
        let with = published.with;
        let next = format!("docker compose -f {file} config");
        match &published.services {
            Err(why) => {
                let what = format!("{with}: the ports of containers: {why}");
                findings.add(Refusal::PublicPort, what, next);
            }
            Ok(services) => {
                let open = services.iter().flat_map(|service| {
                    let open =
                        service.ports.iter().filter(|port| !port.is_fine(&case.rules.ports.public));
                    open.map(|port| format!("{}: {}", service.name, port.written))
                });
                let what =
                    format!("{with}: not bound to 127.0.0.1 or ::1, and not listed as public");
                findings.about(Refusal::PublicPort, what, open.collect(), next);
            }
        }
    }
}

/// Both sides have room for twice what is sent: each file grows beside the old one.
pub fn room(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let limits = &case.rules.limits;
    let files = case.facts.plan.items.iter().filter(|item| item.is_new()).count() as u64;
    for space in &case.facts.space {
        let side = space.side;
        let needed = limits
            .disk_free_min
            .get()
            .bytes()
            .saturating_add(case.facts.plan.bytes.saturating_mul(2));
        let next = match side {
            "here" => "df -h .".to_owned(),
            _ => case.hint.command("df -h PATH"),
        };
        if space.bytes < needed {
            let what = format!("{side}: {} bytes are free, {needed} are needed", space.bytes);
            findings.add(Refusal::LowDisk, what, next.clone());
        }
        let wanted = limits.inodes_free_min.saturating_add(files);
        if let Some(inodes) = space.inodes.filter(|inodes| *inodes < wanted) {
            let what =
                format!("{side}: there is room for {inodes} more files, {wanted} are needed");
            findings.add(Refusal::LowDisk, what, next);
        }
    }
}

/// The tree is what git has, on the branch that may be deployed.
pub fn git(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let (git, rules) = (&case.facts.git, &case.rules.git);
    let next = "git status";
    if rules.require_clean {
        let dirty = shown_all(git.dirty.iter().map(Vec::as_slice));
        findings.about(Refusal::DirtyTree, "not committed", dirty, next);
        let half = git.half_done.iter().map(|what| (*what).to_owned()).collect();
        findings.about(Refusal::DirtyTree, "half done", half, next);
    }
    if git.commit.is_none() {
        findings.add(Refusal::DirtyTree, "the source has no commit yet", next);
    }
    // A commit that was deployed before is on no branch any more.
    if case.facts.direction == Direction::Back {
        return;
    }
    match (&git.branch, &rules.branch) {
        (None, _) => findings.add(Refusal::DirtyTree, "HEAD is on no branch", next),
        (Some(branch), Some(wanted)) if branch != wanted => {
            let what = format!("the branch is `{branch}`, only `{wanted}` may be deployed");
            findings.add(Refusal::DirtyTree, what, format!("git switch {wanted}"));
        }
        (Some(_), _) => {}
    }
    match git.ahead {
        None if rules.require_pushed => {
            findings.add(Refusal::DirtyTree, "the branch is pushed nowhere", "git branch -vv");
        }
        Some(ahead @ 1..) if rules.require_pushed => {
            let what = format!("{ahead} commits are not pushed");
            findings.add(Refusal::DirtyTree, what, "git log @{upstream}..");
        }
        None | Some(_) => {}
    }
}

/// No live loop is at work there: it would run on old code beside new files.
pub fn writers(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    match &case.facts.writers {
        Ok(held) => {
            let paths = shown_all(held.iter().map(Vec::as_slice));
            let what = "a live loop is at work on the target: it holds the lock of its ledger";
            let next = case.hint.command("fuser -v FILE");
            findings.about(Refusal::LiveWriter, what, paths, next);
        }
        Err(why) => {
            let what = format!("it is not known whether a live loop is at work: {why}");
            findings.add(Refusal::LiveWriter, what, case.hint.command("flock --version"));
        }
    }
}

/// No keys and passwords are sent.
pub fn secrets(case: &JudgedDeploy<'_>, findings: &mut DeployFindings<'_>) {
    let allowed = |path: &[u8]| case.rules.secrets.allow.contains_key(&shown(path));
    let sent = |kind: ItemKind| kind == ItemKind::File || kind == ItemKind::Link;
    let items = case.facts.plan.items.iter().filter(|item| item.change != ItemChange::Attributes);
    let named = items.filter(|item| sent(item.kind) && is_secret_name(&item.name));
    let named = shown_all(named.map(|item| item.name.as_slice()).filter(|path| !allowed(path)));
    let next = "less FILE";
    findings.about(Refusal::SecretsInTree, "named like a secret", named, next);
    let lines = case.facts.secret_lines.iter().filter(|(path, _)| !allowed(path));
    let lines = lines.map(|(path, line)| format!("{}:{line}", shown(path))).collect();
    findings.about(Refusal::SecretsInTree, "lines that look like a secret", lines, next);
    let without = case.rules.secrets.allow.iter().filter(|(_, reason)| reason.trim().is_empty());
    let without = without.map(|(path, _)| path.clone()).collect();
    let next = "runner show jobs/deploy-check.toml";
    findings.about(Refusal::SecretsInTree, "secrets.allow gives no reason", without, next);
}
