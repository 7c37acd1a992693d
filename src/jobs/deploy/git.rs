//! What git says about the source: the commit, the branch, what is not committed, what is half done, which files are tracked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    argv,
    commands::{CommandError, CommandRunner, stdout_of},
    inventory::shown,
};

/// Files in the folder of git that say that something is half done: their names are documented in gitrepository-layout(5).
const HALF_DONE: [(&str, &str); 6] = [
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("BISECT_LOG", "a bisection"),
];

/// How errors name the first question.
const STATUS: &str = "git status";

/// What git says about the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitFacts {
    /// The commit, in full; `None` before the first one.
    pub commit: Option<String>,
    /// The branch; `None` when HEAD is detached.
    pub branch: Option<String>,
    /// Commits that are not on the branch it is pushed to; `None` when it is pushed nowhere.
    pub ahead: Option<u32>,
    /// Paths that are changed, staged, new or in conflict.
    pub dirty: Vec<Vec<u8>>,
    /// What is half done.
    pub half_done: Vec<&'static str>,
    /// Tracked files, by their path from the source.
    pub tracked: BTreeSet<Vec<u8>>,
}

/// Where the deployed commit is in the history of the one to deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ancestry {
    /// Nothing is known to be deployed.
    NothingDeployed,
    /// It is the same, or one before it.
    Behind,
    /// It is not among those before it: the source is older, or went another way.
    Elsewhere,
    /// This repository has no such commit.
    UnknownCommit,
}

/// Where the tree to deploy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeOrigin {
    /// What is checked out.
    Worktree,
    /// A commit of this repository, taken out of it.
    Commit {
        repository: PathBuf,
        /// The commit, in full.
        commit: String,
    },
}

/// What git says about a commit. It is clean, and on no branch.
pub fn at(
    runner: &CommandRunner<'_>,
    repository: &Path,
    commit: &str,
) -> Result<GitFacts, CommandError> {
    let words = ["ls-tree", "-r", "-z", "--name-only", commit];
    let said = runner.local(argv::git(&words), repository, BTreeMap::new())?;
    let bytes = stdout_of("git ls-tree", said)?;
    Ok(GitFacts {
        commit: Some(commit.to_owned()),
        tracked: zero_ended(&bytes).map(<[u8]>::to_vec).collect(),
        ..GitFacts::default()
    })
}

/// Asks git about a folder.
pub fn ask(runner: &CommandRunner<'_>, source: &Path) -> Result<GitFacts, CommandError> {
    let git = |words: &[&str]| runner.local(argv::git(words), source, BTreeMap::new());
    let status =
        ["status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--no-renames"];
    let mut facts = status_of(&stdout_of(STATUS, git(&status)?)?)?;
    let tracked = stdout_of("git ls-files", git(&["ls-files", "-z"])?)?;
    facts.tracked = zero_ended(&tracked).map(<[u8]>::to_vec).collect();
    let dir = stdout_of("git rev-parse", git(&["rev-parse", "--absolute-git-dir"])?)?;
    let dir = PathBuf::from(String::from_utf8_lossy(dir.trim_ascii_end()).into_owned());
    let found = HALF_DONE.iter().filter(|(file, _)| dir.join(file).exists());
    facts.half_done = found.map(|(_, what)| *what).collect();
    Ok(facts)
}

/// Whether one commit is before another. Both are hashes.
pub fn ancestry(
    runner: &CommandRunner<'_>,
    source: &Path,
    deployed: &str,
    commit: &str,
) -> Result<Ancestry, CommandError> {
    let words = ["merge-base", "--is-ancestor", deployed, commit];
    let said = runner.local(argv::git(&words), source, BTreeMap::new())?;
    Ok(match said.code {
        0 => Ancestry::Behind,
        1 => Ancestry::Elsewhere,
        _ => Ancestry::UnknownCommit,
    })
}

fn zero_ended(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|field| !field.is_empty())
}

/// Reads what `git status --porcelain=v2 -z --branch` printed.
fn status_of(output: &[u8]) -> Result<GitFacts, CommandError> {
    let mut facts = GitFacts::default();
    let mut fields = zero_ended(output);
    while let Some(field) = fields.next() {
        let wrong = || CommandError::NotUnderstood {
            what: STATUS.to_owned(),
            why: format!("`{}` is not a line of it", shown(field)),
        };
        let after = |words: usize| field.splitn(words + 1, |byte| *byte == b' ').nth(words);
        let path = match field[0] {
            b'#' => {
                header(std::str::from_utf8(field).map_err(|_| wrong())?, &mut facts);
                continue;
            }
            b'1' => after(8),
            b'2' => {
                fields.next();
                after(9)
            }
            b'u' => after(10),
            b'?' => after(1),
            _ => None,
        };
        facts.dirty.push(path.ok_or_else(wrong)?.to_vec());
    }
    Ok(facts)
}

fn header(text: &str, facts: &mut GitFacts) {
    if let Some(oid) = text.strip_prefix("# branch.oid ").filter(|oid| *oid != "(initial)") {
        facts.commit = Some(oid.to_owned());
    } else if let Some(head) = text.strip_prefix("# branch.head ").filter(|h| *h != "(detached)") {
        facts.branch = Some(head.to_owned());
    } else if let Some(ab) = text.strip_prefix("# branch.ab +") {
        facts.ahead = ab.split(' ').next().and_then(|ahead| ahead.parse().ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_understood() {
        let output = b"# branch.oid 0123\0# branch.head main\0# branch.upstream o/main\0# branch.ab +2 -1\0\
            1 .M N... 100644 100644 100644 a b a b.txt\0? new\nline\0\
            2 R. N... 100644 100644 100644 a b R100 to x\0from\0u UU N... 1 2 3 4 a b c conflict ed\0";
        let facts = status_of(output).unwrap();
        assert_eq!(
            (facts.commit.as_deref(), facts.branch.as_deref()),
            (Some("0123"), Some("main"))
        );
        assert_eq!(facts.ahead, Some(2));
        let dirty: Vec<String> = facts.dirty.iter().map(|path| shown(path)).collect();
        assert_eq!(
            dirty,
            ["b.txt", "new\\#012line", "to x", "conflict ed"].map(|name| {
                if name == "b.txt" { "a b.txt".to_owned() } else { name.to_owned() }
            })
        );
        let facts = status_of(b"# branch.oid (initial)\0# branch.head (detached)\0").unwrap();
        assert_eq!((facts.commit, facts.branch, facts.ahead), (None, None, None));
        assert!(status_of(b"x what\0").is_err() && status_of(b"1 short\0").is_err());
    }
}
