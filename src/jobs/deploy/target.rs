//! The target as programs there show it: its tree, the locks that live loops hold, and the lock of a deploy.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    facts::HashedTree,
    findings::TargetHint,
    inventory::{Exclusions, Inventory, LOCK, ListError, parse_hashes, shown},
    programs::{self, CommandError, CommandRunner, stdout_of, words},
};
use crate::{
    exit::Exit,
    jobs::context::Context,
    manifest::Target,
    os::{machine, supervise::Captured},
    outcome::Failure,
    store::{disk::Disk as _, layout::WRITER_LOCK},
};

/// Name and version of the document in the lock.
const SCHEMA: &str = "mjolnir.deploy-lock/1";
/// The document, here and there.
const OWNER: &str = "owner.json";
/// What to do about a lock that another deploy holds.
const CLEAR: &str = "wait for it; if it was killed, take the lock away: runner deploy --unlock";
/// Where ledgers are, from the top of the target.
const LEDGERS: &str = "/data/processed/decisions";
/// What `find` says of a folder that is missing.
const NOTHING: &[u8] = b"No such file or directory";

/// Why one of the sides could not be looked at.
#[derive(Debug, Error)]
pub enum LookError {
    /// A program there or here ran, and its answer is of no use.
    #[error(transparent)]
    Command(CommandError),
    /// A list of files is not understood.
    #[error(transparent)]
    List(#[from] ListError),
    /// rsync is too old, or is another program of that name.
    #[error("rsync, {side}: `{version}` is not a version from 3.1 on: install a newer one")]
    OldRsync {
        /// `here` or `there`.
        side: &'static str,
        version: String,
    },
    /// A number is missing in what a program printed.
    #[error("{program}, {side}, gave no number")]
    NoNumber {
        program: &'static str,
        /// `here` or `there`.
        side: &'static str,
    },
    /// The source has a path that cannot be an argument of rsync.
    #[error("the path of the source is not UTF-8: move it")]
    SourceNotUtf8,
    /// This machine failed, or this run was asked to stop: then nothing was said about either side.
    #[error("{}", .0.message)]
    Failure(Failure),
}

impl From<Failure> for LookError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<CommandError> for LookError {
    fn from(error: CommandError) -> Self {
        if error.has_run() { Self::Command(error) } else { Self::Failure(error.into()) }
    }
}

/// The tree of the target. Protected and excluded folders are not looked into.
pub fn target_tree(
    runner: &CommandRunner<'_>,
    target: &Target,
    exclusions: &Exclusions,
) -> Result<HashedTree, LookError> {
    let path = target.path.get().as_str();
    let listed = stdout_of("find, there,", runner.remote(&programs::list(path, exclusions))?)?;
    let hashed =
        stdout_of("sha256sum, there,", runner.remote(&programs::hashes(path, exclusions))?)?;
    Ok(HashedTree { inventory: Inventory::parse(&listed)?, hashes: parse_hashes(&hashed, path)? })
}

/// A file at the top of the target, written with its slash; `None` where the tree has none.
pub fn target_file(
    runner: &CommandRunner<'_>,
    target: &Target,
    tree: &HashedTree,
    name: &str,
) -> Result<Option<Vec<u8>>, LookError> {
    let bare = name.trim_start_matches('/');
    if tree.inventory.get(bare.as_bytes()).is_none() {
        return Ok(None);
    }
    let file = format!("{}/{bare}", target.path);
    let said = runner.remote(&words(["cat", "--", file.as_str()]))?;
    Ok(Some(stdout_of(&format!("cat {file}, there,"), said)?))
}

/// The locks of ledgers that live loops hold on the target: each holds its own for as long as it lives, in a container too.
pub fn live_writers(
    runner: &CommandRunner<'_>,
    target: &Target,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let top = format!("{}{LEDGERS}", target.path);
    // Every lock that cannot be had for a moment, shared, is printed.
    let argv = words([
        "find",
        &top,
        "-name",
        WRITER_LOCK,
        "-type",
        "f",
        "!",
        "-exec",
        "flock",
        "-n",
        "-s",
        "{}",
        "true",
        ";",
        "-print0",
    ]);
    held(runner.remote(&argv)?, &top)
}

fn held(said: Captured, top: &str) -> Result<Vec<Vec<u8>>, CommandError> {
    let complaint = said.stderr.trim_ascii();
    let one_line = complaint.ends_with(NOTHING) && !complaint.contains(&b'\n');
    if said.code != 0 && said.stdout.is_empty() && one_line && holds(complaint, top.as_bytes()) {
        return Ok(Vec::new());
    }
    let what = format!("find in {top}");
    // A `flock` that is missing or cannot open a lock only shows here: find itself ends with 0.
    if said.code == 0 && !complaint.is_empty() {
        return Err(CommandError::NotUnderstood { what, why: shown(complaint) });
    }
    let printed = stdout_of(&what, said)?;
    let found = printed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(found.map(<[u8]>::to_vec).collect())
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What `owner.json` in the lock says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    host: String,
    user: String,
    run_id: String,
    since: String,
    message: String,
}

/// Who holds the lock of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockOwner {
    Free,
    /// A deploy that died before it wrote its name.
    Unknown,
    /// A run, on this machine or another one.
    Run {
        run_id: String,
        /// Who, where, since when and why.
        text: String,
    },
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("it was given back meanwhile"),
            Self::Unknown => f.write_str("owner unknown"),
            Self::Run { text, .. } => f.write_str(text),
        }
    }
}

/// Asks the target who holds the lock.
pub fn lock_owner(runner: &CommandRunner<'_>, target: &Target) -> Result<LockOwner, CommandError> {
    let lock = format!("{}{LOCK}", target.path);
    let document = format!("{lock}/{OWNER}");
    let said = runner.remote_at_last(&words(["find", &lock, "-maxdepth", "0", "-printf", "%y"]))?;
    if said.stdout.is_empty() {
        return Ok(LockOwner::Free);
    }
    let said = runner.remote_at_last(&words(["cat", &document]))?;
    let Ok(bytes) = stdout_of("cat", said) else { return Ok(LockOwner::Unknown) };
    let Ok(found) = serde_json::from_slice::<Document>(&bytes) else {
        return Ok(LockOwner::Unknown);
    };
    let Document { schema: _, host, user, run_id, since, message } = found;
    let text = format!("run {run_id} of {user} on {host}, since {since}: {message}");
    Ok(LockOwner::Run { run_id: shown(run_id.as_bytes()), text: shown(text.as_bytes()) })
}

/// The lock of the target, held: a folder, because making one is atomic everywhere. It must be given back.
pub struct TargetLock<'h> {
    runner: &'h CommandRunner<'h>,
    target: &'h Target,
    run_id: String,
}

impl<'h> TargetLock<'h> {
    /// Takes it without waiting, or says who holds it.
    pub fn take(
        context: &Context<'_>,
        runner: &'h CommandRunner<'h>,
        target: &'h Target,
        message: &str,
    ) -> Result<Self, Failure> {
        let lock = format!("{}{LOCK}", target.path);
        let place = TargetHint(target).name();
        let made = runner.remote(&words(["mkdir", "-m", "700", &lock]))?;
        if let Err(error) = stdout_of("mkdir", made) {
            return Err(match lock_owner(runner, target)? {
                LockOwner::Free => {
                    let why = format!("take the lock {place}{LOCK}: {error}");
                    Failure::new(Exit::Io, format!("{why}; look at the folder and its disk"))
                }
                owner @ (LockOwner::Unknown | LockOwner::Run { .. }) => {
                    let what =
                        format!("another deploy holds the lock of {place}: {owner}; {CLEAR}");
                    Failure::new(Exit::Busy, what)
                }
            });
        }
        let held = Self { runner, target, run_id: context.run_id.to_string() };
        match held.sign(context, message) {
            Ok(()) => Ok(held),
            Err(failure) => {
                remove_lock(runner, target).ok();
                Err(failure)
            }
        }
    }

    /// Writes inside who holds it, and makes the folder in which files grow.
    fn sign(&self, context: &Context<'_>, message: &str) -> Result<(), Failure> {
        let failed = |why: CommandError| Failure::new(Exit::Io, format!("sign the lock: {why}"));
        let incoming = programs::incoming(self.target);
        let made = self.runner.remote(&words(["mkdir", &incoming]))?;
        stdout_of("mkdir", made).map_err(failed)?;
        let asked = self.runner.local_within(words(["id", "-un"]), context.grace)?;
        let user = stdout_of("id", asked);
        let document = Document {
            schema: SCHEMA.to_owned(),
            host: machine::name(),
            user: user.map_or_else(|_| "unknown user".to_owned(), |name| shown(name.trim_ascii())),
            run_id: self.run_id.clone(),
            since: context.started.to_string(),
            message: if message.is_empty() { "no message".to_owned() } else { message.to_owned() },
        };
        let text = serde_json::to_string_pretty(&document).expect("plain values serialise");
        let path = self.runner.dir().join(OWNER);
        context.disk.replace(&path, context.mask.apply(&text).as_bytes())?;
        let argv = programs::send_file(OWNER, self.target, &format!("{LOCK}/{OWNER}"));
        let sent = self.runner.local(argv, self.runner.dir(), [].into())?;
        stdout_of("rsync", sent).map(drop).map_err(failed)
    }

    /// Gives it back, with what was left half-received in it. One that another run holds by now is left alone.
    pub fn release(self) -> Result<(), Failure> {
        match lock_owner(self.runner, self.target)? {
            LockOwner::Run { run_id, .. } if run_id == self.run_id => {
                remove_lock(self.runner, self.target)
            }
            LockOwner::Free => {
                let what = "the lock of this deploy on the target was removed by another process";
                Err(Failure::new(Exit::Negative, what))
            }
            other @ (LockOwner::Run { .. } | LockOwner::Unknown) => {
                let place = TargetHint(self.target).name();
                let what = format!("the lock of {place} cannot be given back: {other}; {CLEAR}");
                Err(Failure::new(Exit::Negative, what))
            }
        }
    }
}

/// Takes the lock away, whoever holds it.
pub fn remove_lock(runner: &CommandRunner<'_>, target: &Target) -> Result<(), Failure> {
    let lock = format!("{}{LOCK}", target.path);
    let said = runner.remote_at_last(&words(["find", &lock, "-xdev", "-depth", "-delete"]))?;
    stdout_of("find", said).map(drop).map_err(|error| {
        let place = TargetHint(target).name();
        let message = format!("the lock of {place} stays: {error}; {CLEAR}");
        Failure::new(Exit::Unavailable, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32, stdout: &str, stderr: &str) -> Captured {
        let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.as_bytes().to_vec());
        Captured { code, timed_out: false, stdout, stderr, cut: false }
    }

    #[test]
    fn no_ledger_is_not_the_same_as_not_knowing() {
        let top = "/srv/data/processed/decisions";
        assert_eq!(held(said(0, "", ""), top), Ok(vec![]));
        let gone = "find: '/srv/data/processed/decisions': No such file or directory\n";
        assert_eq!(held(said(1, "", gone), top), Ok(vec![]));
        assert_eq!(held(said(0, "/a\0/b\0", ""), top).unwrap().len(), 2);
        for (code, stderr) in [
            (1, "find: '/srv/data': Permission denied\n"),
            (0, "find: 'flock': No such file or directory\n"),
            (1, "find: 'flock': No such file or directory\n"),
            (0, "flock: cannot open lock file /x: Permission denied\n"),
            (124, ""),
        ] {
            assert!(held(said(code, "", stderr), top).is_err(), "{stderr}");
        }
    }
}
