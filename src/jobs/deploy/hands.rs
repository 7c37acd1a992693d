//! How programs are started here and on the target: fixed argument lists, a cleared environment, a time limit, the argument list
//! in the log.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::runtime::Runtime;

use super::{argv, names::shown};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::Target,
    os::{
        process::{Results, Spawn},
        signals::Stop,
        supervise::{Captured, capture},
    },
    store::disk::Disk as _,
};

/// Most bytes a program may say; more is refused, never cut.
const OUTPUT_MAX: usize = 256 << 20;
/// The signal of a run that is asked to stop without one.
const TERM: u8 = 15;
/// The longest that a program may take which runs although we were asked to stop.
const LAST_MAX: Duration = Duration::from_secs(20);
/// Longest piece of a program's complaint that is shown, in characters.
const COMPLAINT_MAX: usize = 300;

/// Starts programs.
pub struct Hands<'a> {
    context: &'a Context<'a>,
    runtime: Runtime,
    timeout: Duration,
    target: &'a Target,
    /// Where ssh finds the pinned key.
    dir: PathBuf,
}

/// What is started.
struct Start<'s> {
    argv: Vec<String>,
    dir: &'s Path,
    more: BTreeMap<String, String>,
    limit: Duration,
}

/// Why a program gave nothing that could be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Its exit code.
    pub code: i32,
    /// What it was, and what it said.
    pub message: String,
}

impl<'a> Hands<'a> {
    /// For one target; ssh is started in `dir`.
    pub fn new(
        context: &'a Context<'a>,
        target: &'a Target,
        timeout: Duration,
        dir: PathBuf,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Failure::new(Exit::Bug, format!("no runtime: {error}")))?;
        Ok(Self { context, runtime, timeout, target, dir })
    }

    /// The folder ssh is started in.
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

    /// Starts a program on this machine and waits for it.
    pub fn here(
        &self,
        argv: Vec<String>,
        dir: &Path,
        more: BTreeMap<String, String>,
    ) -> Result<Captured, Failure> {
        self.start(Start { argv, dir, more, limit: self.timeout }, &self.context.stop)
    }

    /// Starts a program on this machine, where ssh finds the pinned key, with a time limit of its own.
    pub fn here_within(&self, argv: Vec<String>, limit: Duration) -> Result<Captured, Failure> {
        self.start(Start { argv, dir: &self.dir, more: [].into(), limit }, &self.context.stop)
    }

    fn start(&self, start: Start<'_>, stop: &Stop) -> Result<Captured, Failure> {
        let Start { argv, dir, more, limit } = start;
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
            results: Results::Kept,
        };
        let said = self.runtime.block_on(capture(&spawn, OUTPUT_MAX, stop));
        let said = said.map_err(|error| {
            let message =
                format!("start `{program}` in {}: {error}; is it installed?", dir.display());
            Failure::new(Exit::Negative, message)
        })?;
        if stop.asked() {
            let signal = stop.signal().unwrap_or(TERM);
            let message = format!("stopped while `{program}` ran");
            return Err(Failure::new(Exit::Signal(signal), message));
        }
        tracing::info!(program, code = said.code, bytes = said.stdout.len(), "it ended");
        Ok(said)
    }

    /// Starts a program on the target and waits for it.
    pub fn there(&self, words: &[String]) -> Result<Captured, Failure> {
        self.there_within(words, self.timeout)
    }

    /// Starts a program on the target, with a time limit of its own.
    pub fn there_within(&self, words: &[String], limit: Duration) -> Result<Captured, Failure> {
        self.here_within(argv::on_target(self.target, words), limit)
    }

    /// Starts a program on this machine also when this run was asked to stop: what was made must be taken away.
    pub fn here_at_last(&self, argv: Vec<String>) -> Result<Captured, Failure> {
        let limit = self.timeout.min(LAST_MAX);
        self.start(Start { argv, dir: &self.dir, more: [].into(), limit }, &Stop::default())
    }

    /// Starts a program on the target also when this run was asked to stop: what was taken must be given back.
    pub fn there_at_last(&self, words: &[String]) -> Result<Captured, Failure> {
        self.here_at_last(argv::on_target(self.target, words))
    }
}

/// What a program printed, if it ended with 0, in time, and said not too much.
pub fn good(what: &str, said: Captured) -> Result<Vec<u8>, Complaint> {
    if said.code == 0 && !said.timed_out && !said.cut {
        return Ok(said.stdout);
    }
    let stderr: String = shown(said.stderr.trim_ascii()).chars().take(COMPLAINT_MAX).collect();
    let why = if said.timed_out {
        "did not end in time".to_owned()
    } else if said.cut {
        format!("said more than {OUTPUT_MAX} bytes")
    } else {
        format!("ended with exit code {}: {}", said.code, stderr.replace("\\#012", "; "))
    };
    Err(Complaint { code: said.code, message: format!("{what} {why}") })
}

/// Plain words as an argument list.
pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
