//! What the root is made of: whether every manifest in `jobs/` is valid, and whether git has all of it.

use super::{
    Machine, ManifestCheck,
    result::{CheckLevel, PreflightCheck, some_of},
};
use crate::{
    jobs::deploy::{commands::CommandError, git, path_bytes::shown},
    manifest::PreflightPart,
    outcome::Failure,
};

/// One check for all manifests.
pub fn manifests(machine: &Machine<'_>) -> PreflightCheck {
    let check = |level, value: String| {
        PreflightCheck::new(PreflightPart::Manifests, "manifests", level, "all valid", value)
            .next("runner check jobs")
    };
    let Some(ManifestCheck { manifests, problems, is_valid }) = (machine.manifests)() else {
        return check(CheckLevel::Fail, "jobs/ holds no manifest".to_owned());
    };
    match (is_valid, problems.is_empty()) {
        (true, true) => check(CheckLevel::Ok, format!("{manifests} manifests")),
        (true, false) => check(CheckLevel::Warn, some_of(&problems)),
        (false, _) => check(CheckLevel::Fail, some_of(&problems)),
    }
}

/// Asks git. A root that is not a repository, such as a target of deploys, is not checked.
pub fn git_tree(machine: &Machine<'_>) -> Result<PreflightCheck, Failure> {
    let part = PreflightPart::Git;
    let root = machine.context.root;
    let check = |level, value: String| {
        let next = format!("git -C {} status", root.display());
        PreflightCheck::new(part, "git", level, "all committed", value).next(next)
    };
    if !root.join(".git").exists() {
        return Ok(PreflightCheck::skipped(part, "the root is not a git repository"));
    }
    let facts = match git::ask(machine.runner, root) {
        Ok(facts) => facts,
        Err(error @ CommandError::Stopped { .. }) => return Err(error.into()),
        Err(error) => return Ok(check(CheckLevel::Fail, error.to_string())),
    };
    let mut bad: Vec<String> =
        facts.half_done.iter().map(|what| format!("{what} is half done")).collect();
    bad.extend(facts.dirty.iter().map(|path| shown(path)));
    let commit = facts.commit.as_deref().and_then(|commit| commit.get(..12));
    let found = match (bad.is_empty(), commit, &facts.branch) {
        (false, _, _) => check(CheckLevel::Fail, some_of(&bad)),
        (true, None, _) => check(CheckLevel::Fail, "the repository has no commit yet".to_owned()),
        (true, Some(commit), None) => check(CheckLevel::Warn, format!("{commit}, on no branch")),
        (true, Some(commit), Some(branch)) => {
            check(CheckLevel::Ok, format!("{commit} on {branch}"))
        }
    };
    Ok(found)
}
