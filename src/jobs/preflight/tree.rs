//! Whether everything in the root is committed, and nothing half done.

use super::{
    job::Look,
    result::{Checked, Level, some_of},
};
use crate::{
    exit::Exit,
    jobs::{
        context::Failure,
        deploy::{git, names::shown},
    },
    manifest::PreflightPart,
};

/// Asks git. A root that is no repository, such as a target of deploys, is none of its business.
pub fn git_tree(look: &Look<'_>) -> Result<Vec<Checked>, Failure> {
    let part = PreflightPart::Git;
    let root = look.context.root;
    let check = |level, value: String| {
        let next = format!("git -C {} status", root.display());
        Checked::new(part, "git", level, "all committed", value).next(next)
    };
    if !root.join(".git").exists() {
        return Ok(vec![Checked::skipped(part, "the root is no git repository")]);
    }
    let facts = match git::ask(look.hands, root) {
        Ok(Ok(facts)) => facts,
        Ok(Err(complaint)) => return Ok(vec![check(Level::Fail, complaint.message)]),
        Err(failure) if failure.exit == Exit::Negative => {
            return Ok(vec![check(Level::Fail, failure.message)]);
        }
        Err(failure) => return Err(failure),
    };
    let mut bad: Vec<String> =
        facts.half_done.iter().map(|what| format!("{what} is half done")).collect();
    bad.extend(facts.dirty.iter().map(|path| shown(path)));
    let commit = facts.commit.as_deref().and_then(|commit| commit.get(..12));
    let found = match (bad.is_empty(), commit, &facts.branch) {
        (false, _, _) => check(Level::Fail, some_of(&bad)),
        (true, None, _) => check(Level::Fail, "there is no commit yet".to_owned()),
        (true, Some(commit), None) => check(Level::Warn, format!("{commit}, on no branch")),
        (true, Some(commit), Some(branch)) => check(Level::Ok, format!("{commit} on {branch}")),
    };
    Ok(vec![found])
}
