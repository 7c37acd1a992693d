//! What git says about the source, and keys and passwords that would be sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    inventory::shown,
    programs::{self, CommandError, CommandRunner, stdout_of},
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
    let said = runner.local(programs::git(&words), repository, BTreeMap::new())?;
    let bytes = stdout_of("git ls-tree", said)?;
    Ok(GitFacts {
        commit: Some(commit.to_owned()),
        tracked: zero_ended(&bytes).map(<[u8]>::to_vec).collect(),
        ..GitFacts::default()
    })
}

/// Asks git about a folder.
pub fn ask(runner: &CommandRunner<'_>, source: &Path) -> Result<GitFacts, CommandError> {
    let git = |words: &[&str]| runner.local(programs::git(words), source, BTreeMap::new());
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
    let said = runner.local(programs::git(&words), source, BTreeMap::new())?;
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

/// Longest file whose content is looked at, in bytes. Keys are short; what is longer is data.
pub const LOOKED_AT_MAX: u64 = 4 << 20;
/// Shortest value that can be a key, in bytes: shorter words of a text often follow `token:`.
const KEY_MIN: usize = 20;
/// Bits of a letter, on average, from which on a value looks random. English words have less than 3.5, keys of base 64 about 4.5.
const BITS_MIN: f64 = 3.5;
/// Parts of names that have secrets as values.
const SECRET_NAMES: [&str; 6] = ["key", "secret", "token", "passw", "pwd", "credential"];
/// Words that make a line one that could hold a secret.
const MENTIONS: [&str; 8] =
    ["secret", "token", "passw", "pwd", "credential", "bearer", "authorization", "apikey"];
/// How the first line of a private key ends.
const PRIVATE: &str = "PRIVATE KEY-----";
/// Ends of names of files that hold keys.
const NAMES: [&str; 6] = [".pem", ".key", ".kdbx", ".p12", ".pfx", ".jks"];

/// Whether the name of a file says that it holds secrets.
pub fn is_secret_name(path: &[u8]) -> bool {
    let name = String::from_utf8_lossy(super::inventory::last(path)).to_ascii_lowercase();
    let is_id = name.starts_with("id_") && !name.contains('.');
    let is_env = name == ".env" || name.starts_with(".env.") && !name.ends_with(".example");
    let kept = name.strip_prefix("credentials");
    let is_kept = kept.is_some_and(|end| end.is_empty() || end.starts_with('.') && end != ".rs");
    is_id || is_env || is_kept || NAMES.iter().any(|end| name.ends_with(end))
}

/// The lines, from 1, that hold what looks like a secret.
pub fn secret_lines(content: &[u8]) -> Vec<usize> {
    // Pictures and programs are no text.
    if content.iter().take(8192).any(|byte| *byte == 0) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(content);
    let lines = (1..).zip(text.lines());
    lines.filter(|(_, line)| is_private_key(line) || has_secret(line)).map(|(n, _)| n).collect()
}

/// Whether a line could hold a secret. A wider net than [`secret_lines`], for lines that would be shown to people: better one
/// line too few than one too many.
pub fn could_be_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let named = MENTIONS.iter().any(|word| lower.contains(word)) || gives_key(&lower);
    named || is_private_key(line) || has_login(&lower) || line.split(outside).any(is_random_word)
}

/// A name with `key` in it, `=` or `:`, and anything.
fn gives_key(line: &str) -> bool {
    line.match_indices(['=', ':']).any(|(at, _)| {
        let name = line[..at].trim_end_matches([' ', '"', '\'', ':']);
        let last = name.rsplit(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).next();
        last.is_some_and(|name| name.contains("key")) && !value(&line[at + 1..]).is_empty()
    })
}

/// An address with a user or a password in it.
fn has_login(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || "/'\"".contains(c));
        rest[..end.unwrap_or(rest.len())].contains('@')
    })
}

fn outside(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || "+/=".contains(c))
}

/// A word by itself that looks random, and is not a path.
fn is_random_word(word: &str) -> bool {
    looks_random(word) && word.matches('/').count() * 8 <= word.len()
}

fn is_private_key(line: &str) -> bool {
    line.find("-----BEGIN ").is_some_and(|at| line[at..].contains(PRIVATE))
}

/// The name of a secret, `=` or `:`, and a value that looks random.
fn has_secret(line: &str) -> bool {
    line.match_indices(['=', ':']).any(|(at, _)| {
        let name: String = line[..at].to_ascii_lowercase();
        let name = name.trim_end_matches([' ', '"', '\'', ':']);
        let last = name.rsplit(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).next();
        let is_secret =
            last.is_some_and(|name| SECRET_NAMES.iter().any(|part| name.contains(part)));
        is_secret && looks_random(value(&line[at + 1..]))
    })
}

/// The first word, without quotes.
fn value(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '"', '\'', '=', '>']);
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+/_-=.".contains(c)));
    &text[..end.unwrap_or(text.len())]
}

fn looks_random(value: &str) -> bool {
    let mixed =
        value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic());
    value.len() >= KEY_MIN && mixed && bits(value) >= BITS_MIN
}

/// Bits of a letter, on average.
fn bits(value: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::<u8, u32>::new();
    value.bytes().for_each(|byte| *counts.entry(byte).or_default() += 1);
    let all = value.len() as f64;
    let share = |count: &u32| f64::from(*count) / all;
    counts.values().map(|count| -share(count) * share(count).log2()).sum()
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

    #[test]
    fn names_of_secrets() {
        for path in [
            "a/.env",
            ".env.prod",
            "x.pem",
            "id_rsa",
            "k/id_ed25519",
            "a.key",
            "credentials.json",
            "v.KDBX",
        ] {
            assert!(is_secret_name(path.as_bytes()), "{path}");
        }
        for path in
            ["ids.rs", "id_map.py", ".env.example", "keys.rs", "credentials.rs", "env", "monkey"]
        {
            assert!(!is_secret_name(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn lines_with_secrets() {
        let drawn = ["q9Zt3", "Lm4Xc", "V8nB2", "kR7wP"].concat();
        let begin = format!("-----BEGIN OPENSSH {PRIVATE}");
        for line in [
            format!("API_SECRET={drawn}"),
            format!("  \"apiKey\": \"{drawn}\","),
            format!("token: {drawn}"),
            format!("let password = '{drawn}';"),
            begin,
        ] {
            assert_eq!(secret_lines(format!("x\n{line}\n").as_bytes()), [2], "{line}");
        }
        for line in [
            "API_SECRET=".to_owned(),
            "API_SECRET=${API_SECRET}".to_owned(),
            "secret = read_the_secret_from_the_vault()".to_owned(),
            format!("hash = \"{drawn}\""),
            "key = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa1\"".to_owned(),
        ] {
            assert!(secret_lines(line.as_bytes()).is_empty(), "{line}");
        }
        assert!(secret_lines(format!("\0token={drawn}").as_bytes()).is_empty());
    }

    #[test]
    fn lines_that_are_better_not_shown() {
        let drawn = ["q9Zt3", "Lm4Xc", "V8nB2", "kR7wP"].concat();
        for line in [
            "PASSWORD=x".to_owned(),
            "curl --password x".to_owned(),
            "api_key: 'x'".to_owned(),
            "  \"signing-key\": \"x\",".to_owned(),
            "Authorization: Basic eA==".to_owned(),
            "url = http://me:x@host/".to_owned(),
            drawn,
        ] {
            assert!(could_be_secret(&line), "{line}");
        }
        for line in [
            "print(1)",
            "for key in rows:",
            "fn get(key: &str)",
            "let path = \"tests/it/support/sim_disk2.rs\";",
            "see https://example.org/a@b",
            "",
        ] {
            assert!(!could_be_secret(line), "{line}");
        }
    }
}
