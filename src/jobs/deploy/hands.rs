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
    os::process::{Captured, Results, Spawn, capture},
};

/// Most bytes a program may say; more is refused, never cut.
const OUTPUT_MAX: usize = 256 << 20;
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

    /// Starts a program on this machine and waits for it.
    pub fn here(
        &self,
        argv: Vec<String>,
        dir: &Path,
        more: BTreeMap<String, String>,
    ) -> Result<Captured, Failure> {
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
            timeout: Some(self.timeout),
            grace: self.context.grace,
            results: Results::Kept,
        };
        let said = self.runtime.block_on(capture(&spawn, OUTPUT_MAX, &self.context.stop));
        let said = said.map_err(|error| {
            let message =
                format!("start `{program}` in {}: {error}; is it installed?", dir.display());
            Failure::new(Exit::Negative, message)
        })?;
        if let Some(signal) = self.context.stop.signal() {
            return Err(Failure::new(
                Exit::Signal(signal),
                format!("stopped while `{program}` ran"),
            ));
        }
        tracing::info!(program, code = said.code, bytes = said.stdout.len(), "it ended");
        Ok(said)
    }

    /// Starts a program on the target and waits for it.
    pub fn there(&self, words: &[String]) -> Result<Captured, Failure> {
        self.here(argv::on_target(self.target, words), &self.dir, BTreeMap::new())
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
