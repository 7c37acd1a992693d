//! What git says about the source: the commit, the branch, what is not committed, what is half done, which files are tracked.

use std::collections::{BTreeMap, BTreeSet};

use std::path::{Path, PathBuf};

use super::{
    argv,
    hands::{Complaint, Hands, good},
    names::shown,
};
use crate::jobs::context::Failure;

/// Files in the folder of git that say that something is half done.
const HALF_DONE: [(&str, &str); 6] = [
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("BISECT_LOG", "a bisection"),
];

/// What git says.
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

/// How the deployed commit lies to the one of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ancestry {
    /// Nothing is known to be deployed.
    NothingDeployed,
    /// It is the same, or lies behind it.
    Behind,
    /// It does not lie behind it: the source is older, or went another way.
    Elsewhere,
    /// This repository has no such commit.
    UnknownCommit,
}

/// Where the tree to deploy comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// What is checked out.
    Worktree,
    /// A commit of this repository, taken out of it.
    Commit {
        /// The repository.
        repository: PathBuf,
        /// The commit, in full.
        commit: String,
    },
}

/// What git says about a commit. It is clean, and lies on no branch.
pub fn at(
    hands: &Hands<'_>,
    repository: &Path,
    commit: &str,
) -> Result<Result<GitFacts, Complaint>, Failure> {
    let words = ["ls-tree", "-r", "-z", "--name-only", commit];
    let said = hands.here(argv::git(&words), repository, BTreeMap::new())?;
    Ok(good("git ls-tree", said).map(|bytes| GitFacts {
        commit: Some(commit.to_owned()),
        tracked: zero_ended(&bytes).map(<[u8]>::to_vec).collect(),
        ..GitFacts::default()
    }))
}

/// Asks git about a folder.
pub fn ask(hands: &Hands<'_>, source: &Path) -> Result<Result<GitFacts, Complaint>, Failure> {
    let git = |words: &[&str]| hands.here(argv::git(words), source, BTreeMap::new());
    let status =
        ["status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--no-renames"];
    let status = match good("git status", git(&status)?) {
        Ok(bytes) => bytes,
        Err(complaint) => return Ok(Err(complaint)),
    };
    let mut facts = match status_of(&status) {
        Ok(facts) => facts,
        Err(message) => return Ok(Err(Complaint { code: 0, message })),
    };
    match good("git ls-files", git(&["ls-files", "-z"])?) {
        Ok(bytes) => facts.tracked = zero_ended(&bytes).map(<[u8]>::to_vec).collect(),
        Err(complaint) => return Ok(Err(complaint)),
    }
    match good("git rev-parse", git(&["rev-parse", "--absolute-git-dir"])?) {
        Ok(bytes) => {
            let dir = PathBuf::from(String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned());
            let found = HALF_DONE.iter().filter(|(file, _)| dir.join(file).exists());
            facts.half_done = found.map(|(_, what)| *what).collect();
        }
        Err(complaint) => return Ok(Err(complaint)),
    }
    Ok(Ok(facts))
}

/// Whether one commit lies behind another. Both are hashes.
pub fn ancestry(
    hands: &Hands<'_>,
    source: &Path,
    deployed: &str,
    commit: &str,
) -> Result<Ancestry, Failure> {
    let words = ["merge-base", "--is-ancestor", deployed, commit];
    let said = hands.here(argv::git(&words), source, BTreeMap::new())?;
    Ok(match said.code {
        0 => Ancestry::Behind,
        1 => Ancestry::Elsewhere,
        _ => Ancestry::UnknownCommit,
    })
}

fn zero_ended(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|field| !field.is_empty())
}

/// Understands `git status --porcelain=v2 -z --branch`.
pub fn status_of(output: &[u8]) -> Result<GitFacts, String> {
    let mut facts = GitFacts::default();
    let mut fields = zero_ended(output);
    while let Some(field) = fields.next() {
        let wrong = || format!("git status said `{}`", shown(field));
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
