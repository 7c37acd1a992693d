//! The other ways to change a target: back to the commit that was deployed before, as git has it; and what is left over, moved aside.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{DeployReport, Execution, send::keep};
use crate::{
    domain::target::PatternPlace,
    exit::Exit,
    jobs::deploy::{
        assess::{Assessment, DeploySession},
        collect::Snapshot,
        deployed::{Deployed, Stage},
        facts::DeployFacts,
        findings::TargetHint,
        git::TreeOrigin,
        inventory::{DEPLOYED, Exclusions, TRASH, parent, shown},
        programs::{self, stdout_of, words},
    },
    outcome::{Failure, Outcome},
    store::disk::Disk as _,
};

/// The tree that was deployed before.
pub struct PreviousTree {
    /// The folder it was put into.
    pub tree: PathBuf,
    /// Where it comes from.
    pub origin: TreeOrigin,
}

/// Takes the tree out of git, through an index of its own: the index and the folders of the source stay as they are.
pub fn previous_tree(session: &DeploySession<'_>) -> Result<PreviousTree, Failure> {
    let commit = previous(session)?;
    let git = |words: &[&str], env: BTreeMap<String, String>| {
        session.runner.local(programs::git(words), &session.source, env)
    };
    let refuse = |why: String| Failure::new(Exit::Negative, format!("go back to {commit}: {why}"));
    let prefix = stdout_of("git rev-parse", git(&["rev-parse", "--show-prefix"], [].into())?);
    if !prefix.map_err(|error| refuse(error.to_string()))?.trim_ascii().is_empty() {
        let what = "the source must be the top of its repository to be taken out of git";
        return Err(refuse(what.to_owned()));
    }
    let known = format!("{commit}^{{commit}}");
    if git(&["cat-file", "-e", &known], [].into())?.code != 0 {
        return Err(refuse("this repository has no such commit: fetch it first".to_owned()));
    }
    let tree = session.dir.join("tree");
    session.context.disk.create_dir_all(&tree)?;
    let index = session.dir.join("tree.index").display().to_string();
    let env = BTreeMap::from([("GIT_INDEX_FILE".to_owned(), index)]);
    let into = format!("--prefix={}/", tree.display());
    for words in [&["read-tree", commit.as_str()][..], &["checkout-index", "-a", into.as_str()]] {
        let said = git(words, env.clone())?;
        stdout_of("git", said).map_err(|error| refuse(error.to_string()))?;
    }
    // What git does not keep must not come from whoever runs this: neither from a umask nor from the folder of reports.
    let (top, folder) = (session.source.display().to_string(), tree.display().to_string());
    for argv in [
        words(["chmod", "-R", "u=rwX,go=rX", "--", &folder]),
        words(["chmod", &format!("--reference={top}"), "--", &folder]),
    ] {
        let said = session.runner.local(argv, &session.source, [].into())?;
        stdout_of("chmod", said).map_err(|error| refuse(error.to_string()))?;
    }
    let origin = TreeOrigin::Commit { repository: session.source.clone(), commit };
    Ok(PreviousTree { tree, origin })
}

/// The commit before the one that is deployed.
fn previous(session: &DeploySession<'_>) -> Result<String, Failure> {
    let note = format!("{}{DEPLOYED}", session.target.path);
    let place = TargetHint(session.target).name();
    let nothing = |why: &str| {
        let message = format!(
            "nothing to go back to: {place}{DEPLOYED} {why}; check out a commit and deploy it instead"
        );
        Failure::new(Exit::Nothing, message)
    };
    let said = session.runner.remote(&words(["cat", &note]))?;
    let bytes = stdout_of("cat", said).map_err(|_| nothing("is not there"))?;
    let note = Deployed::parse(Stage::Deployed, &bytes)
        .map_err(|why| nothing(&format!("cannot be read ({why})")))?;
    note.previous.ok_or_else(|| nothing("names no commit before its own"))
}

/// Takes the tree away again. It is a copy of what git has.
pub fn clear(session: &DeploySession<'_>, tree: &Path) -> Result<(), Failure> {
    let folder = tree.display().to_string();
    let argv = words(["find", &folder, "-xdev", "-depth", "-delete"]);
    let said = session.runner.local_at_last(argv)?;
    stdout_of("find", said).map(drop).map_err(|error| Failure::new(Exit::Io, error.to_string()))
}

/// Moves what is left over into the trash folder of the target, and notes that it is gone: files that were deployed once, are as they
/// were deployed, and are gone from the source. One by one, over nothing, and never anything protected.
pub fn retire(
    execution: &Execution<'_>,
    snapshot: &Snapshot,
    report: &mut DeployReport,
) -> Result<(), Failure> {
    let Sorted { note, go, stay } = sorted(&snapshot.facts, &execution.session.exclusions)?;
    report.left = stay;
    let mut gone = Vec::new();
    let moved: Result<(), Failure> = go.iter().try_for_each(|path| {
        report.moved.push(move_aside(execution, path)?);
        gone.push(path.clone());
        Ok(())
    });
    // What was moved is noted, also when the next one could not be: else it would be missing there, which is drift.
    if !gone.is_empty() {
        keep(execution, &note.without(&gone))?;
    }
    moved?;
    report.step(format!("{} files moved aside", gone.len()));
    Ok(())
}

/// What a retirement would do.
pub fn would_retire(
    session: &DeploySession<'_>,
    snapshot: &Snapshot,
    assessment: &Assessment,
) -> Result<Outcome, Failure> {
    let Sorted { go, stay, .. } = sorted(&snapshot.facts, &session.exclusions)?;
    let outcome = assessment.outcome(session.context);
    let (source, target) = (&assessment.report.source, &assessment.report.target);
    let summary = format!("{} files would be moved aside, {} stay", go.len(), stay.len());
    let mut text = format!("{source} to {target}: {summary}\n\n");
    for path in &go {
        let to = trash(&session.context.run_id.to_string());
        let _ = writeln!(text, "move    {0} to {1}/{0}", shown(path), to.trim_start_matches('/'));
    }
    for what in &stay {
        let _ = writeln!(text, "stay    {what}");
    }
    let _ = writeln!(text, "\nreport: {}", outcome.out.get("report").map_or("", String::as_str));
    Ok(Outcome { summary, text, ..outcome })
}

/// What is left over on the target.
struct Sorted<'a> {
    note: &'a Deployed,
    /// What can be moved aside.
    go: Vec<Vec<u8>>,
    /// What stays, and why.
    stay: Vec<String>,
}

/// Which files go, and which stay and why.
fn sorted<'a>(facts: &'a DeployFacts, exclusions: &Exclusions) -> Result<Sorted<'a>, Failure> {
    let Some(note) = facts.deployed.as_ref() else {
        let message = "no deploy to this target is known, so nothing is known to be left over";
        return Err(Failure::new(Exit::Nothing, message));
    };
    if facts.git.commit.as_ref() != Some(&note.commit) || !facts.plan.items.is_empty() {
        let message = "what is deployed is not what the source has: deploy first, or files that are still used would be moved";
        return Err(Failure::new(Exit::Negative, message));
    }
    let (mut go, mut stay) = (Vec::new(), Vec::new());
    for (path, stamp) in note.files() {
        if facts.source.inventory.get(&path).is_some() {
            continue;
        }
        let name = shown(&path);
        // A note that claims a protected file does not make it one of a deploy: its inside was not even looked at.
        if exclusions.hides(&path, PatternPlace::Other) {
            stay.push(format!("{name} (protected or excluded)"));
            continue;
        }
        let Some(found) = facts.target.stamp(&path) else { continue };
        if found != *stamp {
            stay.push(format!("{name} (edited there)"));
        } else if std::str::from_utf8(&path).is_err() {
            stay.push(format!("{name} (its name is not UTF-8)"));
        } else {
            go.push(path);
        }
    }
    Ok(Sorted { note, go, stay })
}

/// The folder for what one run moves aside, from the top of the target.
fn trash(run_id: &str) -> String {
    format!("{TRASH}/{run_id}")
}

/// Moves one file; from where to where.
fn move_aside(execution: &Execution<'_>, path: &[u8]) -> Result<[String; 2], Failure> {
    let (runner, top) = (&execution.session.runner, execution.session.target.path.get().as_str());
    let trash = trash(&execution.session.context.run_id.to_string());
    let name = String::from_utf8_lossy(path);
    let inside = parent(path).map(|parent| format!("/{}", String::from_utf8_lossy(parent)));
    let folder = format!("{top}{trash}{}", inside.unwrap_or_default());
    let (from, to) = (format!("{top}/{name}"), format!("{top}{trash}/{name}"));
    let failed = |why: String| {
        let message =
            format!("move {} aside: {why}; what was moved before is in {trash}", shown(path));
        Failure::new(Exit::Io, message)
    };
    let made = runner.remote(&words(["mkdir", "-p", "--", &folder]))?;
    stdout_of("mkdir", made).map_err(|error| failed(error.to_string()))?;
    let moved = runner.remote(&words(["mv", "-T", "-n", "--", &from, &to]))?;
    stdout_of("mv", moved).map_err(|error| failed(error.to_string()))?;
    // An `mv` that finds the place taken may say nothing and end with 0.
    let left = runner.remote(&words(["find", &from, "-maxdepth", "0"]))?;
    if !left.stdout.is_empty() {
        return Err(failed("it is still there".to_owned()));
    }
    Ok([shown(path), format!("{}/{}", trash.trim_start_matches('/'), shown(path))])
}
