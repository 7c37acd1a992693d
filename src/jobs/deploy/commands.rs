//! How programs are started here and on the target: fixed argument lists, a cleared environment, a time limit, the argument list
//! in the log.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;
use tokio::runtime::Runtime;

use super::{argv, inventory::shown};
use crate::{
    exit::Exit,
    jobs::context::{Context, runtime},
    manifest::Target,
    os::{
        process::{ChildResults, Spawn},
        signals::Stop,
        supervise::{Captured, capture},
    },
    outcome::Failure,
    store::disk::Disk as _,
};

/// Most bytes a program may print. More is an error and never cut: half a list would look like a whole one.
const OUTPUT_MAX: usize = 256 << 20;
/// The signal of a run that is asked to stop without one.
const TERM: u8 = 15;
/// The longest that a program may take which runs although this run was asked to stop: shorter than the grace of a deploy.
const LAST_MAX: Duration = Duration::from_secs(20);
/// Longest piece of a program's message that is shown, in characters.
const MESSAGE_MAX: usize = 300;

/// Starts programs, here and on one target.
pub struct CommandRunner<'a> {
    context: &'a Context<'a>,
    runtime: Runtime,
    timeout: Duration,
    target: &'a Target,
    dir: PathBuf,
}

struct Start<'s> {
    argv: Vec<String>,
    dir: &'s Path,
    more: BTreeMap<String, String>,
    limit: Duration,
}

/// Why a program gave no output that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// It could not be started on this machine.
    #[error("start `{program}` in {dir}: {why}; is it installed?")]
    NotStarted {
        program: String,
        /// The folder it was to start in.
        dir: String,
        /// What the system says.
        why: String,
    },
    /// This run was asked to stop.
    #[error("stopped while `{program}` ran")]
    Stopped { program: String, signal: u8 },
    #[error("{what} did not end in time")]
    TimedOut { what: String },
    #[error("{what} printed more than {OUTPUT_MAX} bytes")]
    TooMuch { what: String },
    /// It ended with another code than 0.
    #[error("{what} ended with exit code {code}{}: {message}", meaning(.what, *.code))]
    Failed {
        what: String,
        code: i32,
        /// The beginning of what it printed to stderr, on one line.
        message: String,
    },
    /// It ended with 0, and its output is not what such a program prints.
    #[error("{what}: {why}")]
    NotUnderstood {
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl CommandError {
    /// Whether the program ran to an end of its own: then the other side has answered, whatever the answer is.
    pub const fn has_run(&self) -> bool {
        match self {
            Self::NotStarted { .. } | Self::Stopped { .. } => false,
            Self::TimedOut { .. }
            | Self::TooMuch { .. }
            | Self::Failed { .. }
            | Self::NotUnderstood { .. } => true,
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let exit = match error {
            CommandError::Stopped { signal, .. } => Exit::Signal(signal),
            CommandError::NotStarted { .. }
            | CommandError::TimedOut { .. }
            | CommandError::TooMuch { .. }
            | CommandError::Failed { .. }
            | CommandError::NotUnderstood { .. } => Exit::Negative,
        };
        Self::new(exit, error.to_string())
    }
}

/// What an exit code means, in brackets, where the program is known: rsync's own message often names only a file.
fn meaning(what: &str, code: i32) -> String {
    let of_rsync = what.starts_with("rsync").then(|| rsync_meaning(code)).flatten();
    let of_any = match code {
        126 => Some("it may not be executed"),
        127 => Some("the program is not there"),
        128.. => Some("a signal ended it"),
        _ => None,
    };
    of_rsync.or(of_any).map_or_else(String::new, |text| format!(" ({text})"))
}

/// The table in rsync's manual, in plain words.
const fn rsync_meaning(code: i32) -> Option<&'static str> {
    Some(match code {
        1 => "it does not know an option: its version differs",
        2 => "the two versions of rsync do not fit together",
        3 => "a file or folder that was named cannot be used",
        5 => "the two sides could not begin",
        10 => "the connection broke",
        11 => "a file could not be read or written: is the disk full?",
        12 => "the connection broke, or rsync on the target ended",
        13 | 14 => "rsync there and here do not understand each other",
        20 => "a signal ended it",
        21 | 22 => "there was not enough memory, or a child was lost",
        23 => "some files could not be sent",
        24 => "files vanished while they were sent",
        30 => "no data came for too long",
        35 => "the connection could not be made in time",
        255 => "ssh failed: the connection broke, or the login was refused",
        _ => return None,
    })
}

impl<'a> CommandRunner<'a> {
    /// For one target. `dir` is the folder in which ssh is started and finds the pinned key.
    pub fn new(
        context: &'a Context<'a>,
        target: &'a Target,
        timeout: Duration,
        dir: PathBuf,
    ) -> Result<Self, Failure> {
        let runtime = runtime()?;
        Ok(Self { context, runtime, timeout, target, dir })
    }

    /// The folder in which ssh is started.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A folder with nothing in it but an `.env` that sets nothing.
    pub fn empty(&self) -> Result<PathBuf, Failure> {
        let dir = self.dir.join("empty");
        self.context.disk.create_dir_all(&dir)?;
        self.context.disk.replace(&dir.join(".env"), b"")?;
        Ok(dir)
    }

    /// Runs a program on this machine, in a folder, with these variables besides the fixed ones.
    pub fn local(
        &self,
        argv: Vec<String>,
        dir: &Path,
        more: BTreeMap<String, String>,
    ) -> Result<Captured, CommandError> {
        self.start(Start { argv, dir, more, limit: self.timeout }, &self.context.stop)
    }

    /// Runs a program on this machine, where ssh finds the pinned key, with a time limit of its own.
    pub fn local_within(
        &self,
        argv: Vec<String>,
        limit: Duration,
    ) -> Result<Captured, CommandError> {
        self.start(Start { argv, dir: &self.dir, more: [].into(), limit }, &self.context.stop)
    }

    fn start(&self, start: Start<'_>, stop: &Stop) -> Result<Captured, CommandError> {
        let Start { argv, dir, more, limit } = start;
        // No file of anybody's home has a say: neither an alias of rsync, nor settings of git or ssh.
        let fixed =
            [("PATH", argv::PATH), ("HOME", "/nonexistent"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];
        let git = [("GIT_OPTIONAL_LOCKS", "0"), ("GIT_CONFIG_NOSYSTEM", "1")];
        let mut env: BTreeMap<String, String> = more;
        for (name, value) in fixed.into_iter().chain(git) {
            env.insert(name.to_owned(), value.to_owned());
        }
        if let Some(agent) = &self.target.agent {
            env.insert("SSH_AUTH_SOCK".to_owned(), agent.clone());
        }
        tracing::info!(argv = argv.join(" "), dir = %dir.display(), "a program starts");
        let program = argv.first().cloned().unwrap_or_default();
        let spawn = Spawn {
            argv,
            env,
            dir: dir.to_owned(),
            timeout: Some(limit),
            grace: self.context.grace,
            results: ChildResults::Kept,
        };
        let said = match self.runtime.block_on(capture(&spawn, OUTPUT_MAX, stop)) {
            Ok(said) => said,
            Err(error) => {
                let (dir, why) = (dir.display().to_string(), error.to_string());
                return Err(CommandError::NotStarted { program, dir, why });
            }
        };
        if stop.asked() {
            return Err(CommandError::Stopped { program, signal: stop.signal().unwrap_or(TERM) });
        }
        tracing::info!(program, code = said.code, bytes = said.stdout.len(), "it ended");
        Ok(said)
    }

    /// Runs a program on the target.
    pub fn remote(&self, words: &[String]) -> Result<Captured, CommandError> {
        self.remote_within(words, self.timeout)
    }

    /// Runs a program on the target, with a time limit of its own.
    pub fn remote_within(
        &self,
        words: &[String],
        limit: Duration,
    ) -> Result<Captured, CommandError> {
        self.local_within(argv::on_target(self.target, words), limit)
    }

    /// Runs a program on this machine also when this run was asked to stop: what was made must be taken away.
    pub fn local_at_last(&self, argv: Vec<String>) -> Result<Captured, CommandError> {
        let limit = self.timeout.min(LAST_MAX);
        self.start(Start { argv, dir: &self.dir, more: [].into(), limit }, &Stop::default())
    }

    /// Runs a program on the target also when this run was asked to stop: a lock must be given back.
    pub fn remote_at_last(&self, words: &[String]) -> Result<Captured, CommandError> {
        self.local_at_last(argv::on_target(self.target, words))
    }
}

/// What a program printed, if it ended with 0, in time, and printed not too much. `what` names it in the error.
pub fn stdout_of(what: &str, said: Captured) -> Result<Vec<u8>, CommandError> {
    let what = what.to_owned();
    if said.timed_out {
        return Err(CommandError::TimedOut { what });
    }
    if said.cut {
        return Err(CommandError::TooMuch { what });
    }
    if said.code != 0 {
        let text: String = shown(said.stderr.trim_ascii()).chars().take(MESSAGE_MAX).collect();
        let message = text.replace("\\#012", "; ");
        return Err(CommandError::Failed { what, code: said.code, message });
    }
    Ok(said.stdout)
}

/// Plain words as an argument list.
pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_said_in_words_where_its_meaning_is_known() {
        let said = |code: i32, cut: bool| {
            let stderr = b"one\ntwo\n".to_vec();
            Captured { code, timed_out: false, stdout: b"x".to_vec(), stderr, cut }
        };
        let text = |what: &str, code| stdout_of(what, said(code, false)).unwrap_err().to_string();
        assert_eq!(
            text("rsync", 23),
            "rsync ended with exit code 23 (some files could not be sent): one; two"
        );
        assert_eq!(text("df", 23), "df ended with exit code 23: one; two");
        assert!(text("df", 127).contains("(the program is not there)"));
        assert!(text("rsync", 137).contains("(a signal ended it)"));
        assert_eq!(stdout_of("df", said(0, false)).unwrap(), b"x");
        assert!(matches!(stdout_of("df", said(0, true)), Err(CommandError::TooMuch { .. })));
    }
}
