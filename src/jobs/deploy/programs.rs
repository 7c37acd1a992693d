//! The programs that a deploy starts, here and on the target: fixed argument lists, and how they run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;
use tokio::runtime::Runtime;

use super::inventory::{EXAMPLE, Exclusions, FORMAT, LOCK, shown};
use crate::{
    domain::text::quoted,
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
            [("PATH", PATH), ("HOME", "/nonexistent"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];
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
        self.local_within(on_target(self.target, words), limit)
    }

    /// Runs a program on this machine also when this run was asked to stop: what was made must be taken away.
    pub fn local_at_last(&self, argv: Vec<String>) -> Result<Captured, CommandError> {
        let limit = self.timeout.min(LAST_MAX);
        self.start(Start { argv, dir: &self.dir, more: [].into(), limit }, &Stop::default())
    }

    /// Runs a program on the target also when this run was asked to stop: a lock must be given back.
    pub fn remote_at_last(&self, words: &[String]) -> Result<Captured, CommandError> {
        self.local_at_last(on_target(self.target, words))
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

/// Where programs are looked for, on both sides.
pub const PATH: &str = "/usr/bin:/bin";
/// Whom we connect to, as far as ssh is concerned: the pinned key is listed under this name.
pub const HOST_ALIAS: &str = "mjolnir-target";
/// The file with the pinned key, in the folder that ssh is started in.
pub const KNOWN_HOSTS: &str = "known_hosts";

/// rsync ends with this when a file vanished while it looked.
pub const VANISHED: i32 = 24;

/// Seconds without a byte after which a deploy counts as cut off: longer than a slow disk syncs, shorter than anybody waits.
const SILENCE_MAX_S: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// What a deploy would do.
    Plan,
    /// What only the target has: a mirror would delete it. A deploy never does.
    TargetOnly,
    /// The deploy itself.
    Send,
}

/// A run of rsync. Content decides (`-c`): an old time must not hide an edit. Times of folders are left out (`-O`): every lock and
/// every file changes them. The slash after the source is added here: with it the content is sent, without it the folder.
pub fn rsync(pass: Pass, exclusions: &Exclusions, source: &str, target: &Target) -> Vec<String> {
    let how = match pass {
        Pass::Plan | Pass::TargetOnly => "-rlptOn",
        Pass::Send => "-rlptO",
    };
    let fixed = ["rsync", how, "-c", "--out-format=%i %n", "--stats", "--no-motd"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    match pass {
        Pass::Plan => {}
        Pass::TargetOnly => argv.push("--delete".to_owned()),
        // A receiver that is killed leaves its half of a file there, and not beside the file. One that hangs is given up.
        Pass::Send => argv.extend([
            format!("--temp-dir={}", incoming(target)),
            format!("--timeout={SILENCE_MAX_S}"),
        ]),
    }
    argv.extend(exclusions.filters());
    let destination = destination(target, "/", &mut argv);
    argv.extend(["--".to_owned(), format!("{source}/"), destination]);
    argv
}

/// One file of ours to a path on the target, where it appears as a whole.
pub fn send_file(source: &str, target: &Target, to: &str) -> Vec<String> {
    let fixed = ["rsync", "-I", "-p", "--chmod=F640", "--no-motd"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    argv.push(format!("--temp-dir={}", incoming(target)));
    let destination = destination(target, to, &mut argv);
    argv.extend(["--".to_owned(), source.to_owned(), destination]);
    argv
}

/// Where files of the target grow until they are whole: inside the lock, which goes when the deploy is over.
pub fn incoming(target: &Target) -> String {
    format!("{}{LOCK}/incoming", target.path)
}

/// A path below the folder of the target, as rsync takes it; the way there joins the argument list.
fn destination(target: &Target, below: &str, argv: &mut Vec<String>) -> String {
    let path = target.path.get();
    match (&target.host, &target.user) {
        (Some(host), Some(user)) => {
            argv.extend(["-e".to_owned(), ssh_words(target).join(" ")]);
            format!("{user}@{host}:{path}{below}")
        }
        _ => format!("{path}{below}"),
    }
}

/// What no plan may hold: words that make rsync delete, or overwrite a file in place.
pub fn dangerous(argv: &[String]) -> Option<&str> {
    let bad = ["--delete", "--del", "--remove-source-files", "--inplace", "--append", "--force"];
    let more = ["--max-delete", "--ignore-existing", "--ignore-errors", "--partial", "-u", "-a"];
    let options = argv.iter().skip(1).take_while(|word| *word != "--");
    let mut found =
        options.filter(|word| bad.iter().chain(&more).any(|start| word.starts_with(start)));
    found.next().map(String::as_str)
}

/// ssh without the settings of any home folder. rsync splits these words at blanks, so none holds one.
fn ssh_words(target: &Target) -> Vec<String> {
    let mut words: Vec<String> = ["ssh", "-F", "none", "-T"].map(str::to_owned).to_vec();
    words.extend(["-p".to_owned(), target.port.unwrap_or_default().to_string()]);
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "UpdateHostKeys=no",
        "CheckHostIP=no",
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "PermitLocalCommand=no",
        "ControlMaster=no",
        "ControlPath=none",
        "LogLevel=ERROR",
    ] {
        words.extend(["-o".to_owned(), option.to_owned()]);
    }
    words.extend(["-o".to_owned(), format!("UserKnownHostsFile={KNOWN_HOSTS}")]);
    words.extend(["-o".to_owned(), format!("HostKeyAlias={HOST_ALIAS}")]);
    if let Some(identity) = &target.identity {
        words.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned()]);
        words.extend(["-i".to_owned(), identity.to_string()]);
    }
    words
}

/// A command for the target: as it is on this machine; over ssh as one line, which the shell there takes apart again.
pub fn on_target(target: &Target, words: &[String]) -> Vec<String> {
    let (Some(host), Some(user)) = (&target.host, &target.user) else { return words.to_vec() };
    let mut argv = ssh_words(target);
    argv.extend(["-l".to_owned(), user.to_string(), "--".to_owned(), host.to_string()]);
    argv.push(shell_line(words));
    argv
}

/// One line that every POSIX shell takes apart into these words, with nothing of the environment there.
fn shell_line(words: &[String]) -> String {
    let path = format!("PATH={PATH}");
    let fixed = ["env", "-i", path.as_str(), "LC_ALL=C"];
    let all = fixed.into_iter().chain(words.iter().map(String::as_str));
    all.map(quoted).collect::<Vec<_>>().join(" ")
}

/// Asks a host for its keys.
pub fn keyscan(host: &str, port: u16) -> Vec<String> {
    let fixed = ["ssh-keyscan", "-T", "10", "-t", "ed25519,ecdsa,rsa", "-p"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    argv.extend([port.to_string(), "--".to_owned(), host.to_owned()]);
    argv
}

/// A file of ours to a place on the target where there is none yet: it appears as a whole, and over nothing.
pub fn send_new(source: &str, target: &Target, to: &str) -> Vec<String> {
    let fixed = ["rsync", "-p", "--chmod=F644", "--ignore-existing", "--no-motd"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    let destination = match (&target.host, &target.user) {
        (Some(host), Some(user)) => {
            argv.extend(["-e".to_owned(), ssh_words(target).join(" ")]);
            format!("{user}@{host}:{to}")
        }
        _ => to.to_owned(),
    };
    argv.extend(["--".to_owned(), source.to_owned(), destination]);
    argv
}

/// Lists a tree. Protected and excluded folders are listed, but not looked into.
pub fn list(start: &str, exclusions: &Exclusions) -> Vec<String> {
    let mut words = vec!["find".to_owned(), start.to_owned()];
    words.extend(unseen(start, exclusions));
    words.extend(["-printf", FORMAT, "-prune", "-o", "-printf", FORMAT].map(str::to_owned));
    words
}

/// Hashes every file of a tree that is neither protected nor excluded by its place.
pub fn hashes(start: &str, exclusions: &Exclusions) -> Vec<String> {
    let mut words = vec!["find".to_owned(), start.to_owned()];
    let mut unseen = unseen(start, exclusions);
    // The other secrets need not be readable. The example is deployed, so its content counts.
    let secrets = ["-path".to_owned(), format!("{start}/.env.*"), "!".to_owned()];
    let example = ["-path".to_owned(), format!("{start}{EXAMPLE}"), "-o".to_owned()];
    unseen.splice(1..1, secrets.into_iter().chain(example));
    words.extend(unseen);
    let rest = ["-prune", "-o", "-type", "f", "-exec", "sha256sum", "-z", "--", "{}", "+"];
    words.extend(rest.map(str::to_owned));
    words
}

/// `( -path A -o -path B )`.
fn unseen(start: &str, exclusions: &Exclusions) -> Vec<String> {
    let mut words = vec!["(".to_owned()];
    for path in exclusions.literal_paths() {
        if words.len() > 1 {
            words.push("-o".to_owned());
        }
        words.extend(["-path".to_owned(), format!("{start}/{path}")]);
    }
    words.push(")".to_owned());
    words
}

/// A program in the folder of the target. `NAME=value` before the program is a variable of it.
pub fn in_folder(target: &Target, words: &[String]) -> Vec<String> {
    let start = ["env", "-C", target.path.get().as_str(), "--"].map(str::to_owned);
    start.into_iter().chain(words.iter().cloned()).collect()
}

/// git on the source, without hooks, monitors and settings of anybody's home.
pub fn git(words: &[&str]) -> Vec<String> {
    let fixed = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
    fixed.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{DeployCheck, Parsed};

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

    fn target(host: Option<&str>) -> Target {
        Target {
            host: host.map(|host| Parsed::new(host.parse().unwrap())),
            user: host.map(|_| Parsed::new("trader".parse().unwrap())),
            port: host.map(|_| 2222),
            path: Parsed::new("/srv/trade".parse().unwrap()),
            host_key: None,
            machine_id: None,
            identity: None,
            agent: None,
            project: Parsed::new("mjolnir".parse().unwrap()),
        }
    }

    #[test]
    fn the_plan_holds_nothing_dangerous_and_both_passes_are_dry() {
        let exclusions = Exclusions::new(&DeployCheck::default());
        for host in [None, Some("old-box.lan")] {
            let argv = rsync(Pass::Plan, &exclusions, "/src", &target(host));
            assert_eq!(dangerous(&argv), None, "{argv:?}");
            assert!(argv.contains(&"--exclude=/data".to_owned()));
            assert!(argv.contains(&"--exclude=/.env.*".to_owned()));
            let only = rsync(Pass::TargetOnly, &exclusions, "/src", &target(host));
            assert_eq!(dangerous(&only), Some("--delete"));
            for argv in [argv, only] {
                assert!(argv[1].ends_with('n'), "a dry run: {argv:?}");
                assert_eq!(argv[argv.len() - 2], "/src/");
            }
        }
        for bad in ["--delete-after", "--inplace", "--append-verify", "--remove-source-files", "-a"]
        {
            assert_eq!(dangerous(&["rsync".to_owned(), bad.to_owned()]), Some(bad));
        }
    }

    #[test]
    fn the_deploy_differs_from_its_dry_run_in_nothing_but_being_one() {
        let exclusions = Exclusions::new(&DeployCheck::default());
        for host in [None, Some("old-box.lan")] {
            let plan = rsync(Pass::Plan, &exclusions, "/src", &target(host));
            let mut send = rsync(Pass::Send, &exclusions, "/src", &target(host));
            assert_eq!(dangerous(&send), None, "{send:?}");
            let at = send.iter().position(|word| word.starts_with("--temp-dir=")).unwrap();
            assert_eq!(send.remove(at), "--temp-dir=/srv/trade/.mjolnir-lock/incoming");
            assert_eq!(send.remove(at), "--timeout=30");
            assert_eq!(send[1].clone() + "n", plan[1]);
            send[1].push('n');
            assert_eq!(send, plan);
        }
    }

    #[test]
    fn a_line_for_the_shell_is_taken_apart_into_the_same_words() {
        let words = [
            "find", "/srv/a", "(", "a b", "it's", "%y\\0", "$HOME", "`x`", "\"", "*", "", "-x;y",
            "{}",
        ];
        let line = shell_line(&words.map(str::to_owned));
        assert!(line.starts_with("env -i PATH=/usr/bin:/bin LC_ALL=C find /srv/a '('"), "{line}");
        assert!(
            line.ends_with(r#" 'it'\''s' '%y\0' '$HOME' '`x`' '"' '*' '' '-x;y' '{}'"#),
            "{line}"
        );
        for word in words {
            let quoted = quoted(word);
            let bare: String = quoted
                .split(r"'\''")
                .map(|part| part.replace('\'', ""))
                .collect::<Vec<_>>()
                .join("'");
            assert_eq!(bare, word);
        }
    }

    #[test]
    fn words_for_ssh_hold_no_blank() {
        let words = ssh_words(&target(Some("old-box.lan")));
        assert!(words.iter().all(|word| !word.contains([' ', '\'', '"', '\\'])), "{words:?}");
        assert_eq!(on_target(&target(None), &["id".to_owned()]), ["id"]);
        let argv = on_target(&target(Some("h")), &["id".to_owned(), "-u".to_owned()]);
        assert_eq!(argv[argv.len() - 3..], ["--", "h", "env -i PATH=/usr/bin:/bin LC_ALL=C id -u"]);
    }
}
