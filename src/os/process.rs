//! Child processes: fixed argv, own process group, a time limit with grace. Never a shell.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::mpsc::channel,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::Command,
    runtime::{Builder, Runtime},
};

use super::{
    mask::Mask,
    process_tree::{EndSignal, Ours, ProcessTag},
    signals::Stop,
};

/// Most bytes of a child's output that are kept.
const OUTPUT_MAX: usize = 64 * 1024;
/// Between two looks at a child.
const LOOK: Duration = Duration::from_millis(50);
/// How long a child that was killed may take to be gone. One that hangs in the kernel never is.
const KILLED_MAX: Duration = Duration::from_secs(5);
/// What Linux adds to the name of a program's file that was replaced or removed since it started.
const REPLACED: &str = " (deleted)";
/// How long the rest of its output is read once it is gone.
pub(super) const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
/// The exit code of a child that was killed.
pub(super) const KILLED: i32 = 128 + 9;

/// Where the results of a child go. Its messages, on stderr, are always shown unless kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildResults {
    /// To our stdout.
    Shown,
    /// To our stderr, because our stdout is one document.
    Aside,
    /// Nowhere: the end of both streams is kept.
    Kept,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Spawn {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables set on top of the environment of this process.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub dir: PathBuf,
    /// The longest it may run.
    pub timeout: Option<Duration>,
    /// Between TERM and KILL.
    pub grace: Duration,
    /// Where its results go.
    pub results: ChildResults,
}

/// How it ended.
#[derive(Debug, Clone)]
pub struct ProcessEnd {
    /// Its exit code; 128 + n for signal n.
    pub code: i32,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// Whether it was asked to end because this process was.
    pub stopped: bool,
    /// The end of its output, when kept.
    pub output: String,
}

/// How the processes of a child are found that left its group.
#[derive(Debug, Clone, Copy)]
pub struct Kin<'a> {
    /// What all of them carry.
    pub tag: &'a ProcessTag,
    /// Who asks them to end.
    pub asked_by: Asker,
}

/// Who asks the processes of a child to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// This process.
    Us,
    /// The child, which is this program again. Asked twice, it would take that for hurry.
    Child,
}

/// Why a child was ended, if it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Not,
    TimedOut,
    Stopped,
}

/// What a child is waited for with. One thread: a child dies with the thread that started it (see [`die_with_parent`]), so
/// the runtime must not move that work to a thread of its own.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Starts a child and waits for it. When this process is asked to stop, or the time is up, its whole group gets TERM, then KILL, and so
/// does its kin.
pub async fn run(spawn: &Spawn, kin: Option<Kin<'_>>, stop: &Stop) -> io::Result<ProcessEnd> {
    let (stdout, stderr) = match spawn.results {
        ChildResults::Shown => (Stdio::inherit(), Stdio::inherit()),
        ChildResults::Aside => (Stdio::from(io::stderr()), Stdio::inherit()),
        ChildResults::Kept => (Stdio::piped(), Stdio::piped()),
    };
    let mut command = command(&spawn.argv, &spawn.env, &spawn.dir)?;
    command.stdout(stdout).stderr(stderr);
    if let Some(kin) = kin {
        command.envs(kin.tag.variables());
    }
    let (mut child, group, _ours) = start(command)?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let reading = async {
        let (a, b) = tokio::join!(tail(out.as_mut()), tail(err.as_mut()));
        format!("{a}{b}")
    };
    let waiting = wait((&mut child, group), kin, spawn, stop);
    let (output, waited) = tokio::join!(reading, waiting);
    let (code, cut) = waited?;
    Ok(ProcessEnd { code, timed_out: cut == Cut::TimedOut, stopped: cut == Cut::Stopped, output })
}

/// Starts a child and waits for it, as [`run`] does with results that are shown, and covers secrets in what it prints.
pub async fn run_masked(
    spawn: &Spawn,
    kin: Option<Kin<'_>>,
    mask: &Mask,
    stop: &Stop,
) -> io::Result<ProcessEnd> {
    let mut command = command(&spawn.argv, &spawn.env, &spawn.dir)?;
    if let Some(kin) = kin {
        command.envs(kin.tag.variables());
    }
    let (out, out_end) = io::pipe()?;
    let (err, err_end) = io::pipe()?;
    command.stdout(out_end).stderr(err_end);
    let (tell, ends) = channel();
    let to_stdout = spawn.results == ChildResults::Shown;
    let started = start(command)?;
    for (from, to_stdout) in [(out, to_stdout), (err, false)] {
        let (mask, tell) = (mask.clone(), tell.clone());
        std::thread::Builder::new().spawn(move || {
            if to_stdout {
                mask.copy(from, &mut io::stdout());
            } else {
                mask.copy(from, &mut io::stderr());
            }
            // What a grandchild prints later is not waited for.
            let _ = tell.send(());
        })?;
    }
    drop(tell);
    let (mut child, group, _ours) = started;
    let (code, cut) = wait((&mut child, group), kin, spawn, stop).await?;
    // Another program may hold its streams open: what is not there by then is not waited for.
    for _stream in 0..2 {
        if ends.recv_timeout(LAST_WORDS_MAX).is_err() {
            break;
        }
    }
    let (timed_out, stopped) = (cut == Cut::TimedOut, cut == Cut::Stopped);
    Ok(ProcessEnd { code, timed_out, stopped, output: String::new() })
}

/// What the allocator of the C library reads as a process starts: from how many free bytes on it gives them back to the system. Without it,
/// that is some thirty megabytes once much was free.
const TRIM: (&str, &str) = ("MALLOC_TRIM_THRESHOLD_", "131072");

/// Starts this program over in its own place, with an allocator that gives memory back. Nothing is done where the allocator was set up already,
/// by this or by a person, and where that does not work.
pub fn give_memory_back() {
    if std::env::var_os(TRIM.0).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if let Ok(program) = own_program() {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that starts processes"
        )]
        let mut again = std::process::Command::new(program);
        // It comes back only where it failed.
        let _ = again.arg0(name).args(arguments).env(TRIM.0, TRIM.1).exec();
    }
}

/// What a child knows of the environment of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// All of it, and the variables it is given.
    All,
    /// Nothing but the variables it is given.
    OnlyGiven,
    /// These of this process, where it has them, and the variables it is given.
    Named(&'static [&'static str]),
}

/// Starts a child in a group of its own, and holds both of its streams.
pub(super) fn piped(
    spawn: &Spawn,
    knows: Knows,
) -> io::Result<(tokio::process::Child, Option<Pid>, Option<Ours>)> {
    let mut command = command(&spawn.argv, &spawn.env, &spawn.dir)?;
    match knows {
        Knows::All => {}
        Knows::OnlyGiven => {
            command.env_clear().envs(&spawn.env);
        }
        Knows::Named(names) => {
            let own = names.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
            command.env_clear().envs(own).envs(&spawn.env);
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    start(command)
}

/// A program with its arguments and variables, which reads nothing.
fn command(
    argv: &[String],
    env: &BTreeMap<String, String>,
    dir: &Path,
) -> io::Result<std::process::Command> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::other("the argument list is empty"))?;
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
    let mut command = std::process::Command::new(program);
    // A job is faster without.
    if std::env::var_os(TRIM.0).is_some_and(|value| value == TRIM.1) {
        command.env_remove(TRIM.0);
    }
    command.args(arguments).envs(env).current_dir(dir).stdin(Stdio::null()).process_group(0);
    Ok(command)
}

fn start(
    command: std::process::Command,
) -> io::Result<(tokio::process::Child, Option<Pid>, Option<Ours>)> {
    let mut command = Command::from(command);
    let (child, ours) =
        Ours::start(|| command.kill_on_drop(true).spawn(), tokio::process::Child::id)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok((child, group, ours))
}

async fn wait(
    (child, group): (&mut tokio::process::Child, Option<Pid>),
    kin: Option<Kin<'_>>,
    spawn: &Spawn,
    stop: &Stop,
) -> io::Result<(i32, Cut)> {
    let mut left = spawn.timeout;
    let cut = loop {
        match tokio::time::timeout(LOOK, child.wait()).await {
            Ok(status) => return Ok((code(status?), Cut::Not)),
            Err(_) if stop.asked() => break Cut::Stopped,
            Err(_) => match left.map(|left| left.checked_sub(LOOK)) {
                None => {}
                Some(Some(rest)) => left = Some(rest),
                Some(None) => break Cut::TimedOut,
            },
        }
    };
    let status = match kin {
        Some(kin) => end_with_kin(child, group, kin, spawn.grace).await,
        None => end(child, group, spawn.grace).await,
    };
    Ok((status.map_or(KILLED, code), cut))
}

/// Asks a child, its group and its kin to end, and ends all that is left of them after the grace.
async fn end_with_kin(
    child: &mut tokio::process::Child,
    group: Option<Pid>,
    kin: Kin<'_>,
    grace: Duration,
) -> Option<ExitStatus> {
    if kin.asked_by == Asker::Us {
        kin.tag.hit_outside(group, EndSignal::Term);
    }
    signal(group, Signal::TERM);
    let all = async {
        let status = child.wait().await;
        while kin.tag.count() > 0 {
            let _ = tokio::time::timeout(LOOK, std::future::pending::<()>()).await;
        }
        status
    };
    let left = tokio::time::timeout(grace, all).await;
    signal(group, Signal::KILL);
    kin.tag.hit(EndSignal::Kill);
    match left {
        Ok(status) => status.ok(),
        Err(_) => tokio::time::timeout(KILLED_MAX, child.wait()).await.ok()?.ok(),
    }
}

/// Asks the whole group to end, then ends it; `None` of a child that hangs in the kernel.
pub(super) async fn end(
    child: &mut tokio::process::Child,
    group: Option<Pid>,
    grace: Duration,
) -> Option<ExitStatus> {
    signal(group, Signal::TERM);
    let left = tokio::time::timeout(grace, child.wait()).await;
    signal(group, Signal::KILL);
    match left {
        Ok(status) => status.ok(),
        Err(_) => tokio::time::timeout(KILLED_MAX, child.wait()).await.ok()?.ok(),
    }
}

pub(super) fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // The group may be gone already: then there is nothing to end.
        let _ = kill_process_group(group, signal);
    }
}

async fn tail<R: tokio::io::AsyncRead + Unpin>(stream: Option<&mut R>) -> String {
    let Some(stream) = stream else { return String::new() };
    let (mut kept, mut chunk) = (Vec::new(), vec![0_u8; 8192]);
    while let Ok(n @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..n]);
        if kept.len() > 2 * OUTPUT_MAX {
            kept.drain(..kept.len() - OUTPUT_MAX);
        }
    }
    kept.drain(..kept.len().saturating_sub(OUTPUT_MAX));
    String::from_utf8_lossy(&kept).into_owned()
}

/// Its exit code; 128 + n for signal n.
pub(super) fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap_or(1)
}

/// A process that lives on when this one ends: its output goes to a file.
#[derive(Debug)]
pub struct Detached {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables set on top of the environment of this process.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub dir: PathBuf,
    /// Where both of its streams go.
    pub output: File,
}

impl Detached {
    /// Starts it in a group of its own.
    pub fn start(self) -> io::Result<Child> {
        let mut command = command(&self.argv, &self.env, &self.dir)?;
        command.stdout(self.output.try_clone()?).stderr(self.output);
        let (child, ours) = Ours::start(|| command.spawn(), |child| Some(child.id()))?;
        Ok(Child { child, _ours: ours })
    }
}

/// A process that was started. Dropping this does not end it.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    _ours: Option<Ours>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessStatus {
    /// With this exit code.
    Code(i32),
    Signal(i32),
    /// The system does not say.
    Unknown,
}

impl ProcessStatus {
    /// What the system says of a process that ended.
    pub fn of(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code = status.code().map(ProcessStatus::Code);
        code.or(status.signal().map(ProcessStatus::Signal)).unwrap_or(ProcessStatus::Unknown)
    }
}

impl Child {
    /// How it ended, if it has.
    pub fn left(&mut self) -> Option<ProcessStatus> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(ProcessStatus::of(status)),
            Err(_) => Some(ProcessStatus::Unknown),
        }
    }

    /// Tells its whole group to end. It must not have been seen to end.
    pub fn hit_group(&self, hit: EndSignal) {
        signal(i32::try_from(self.child.id()).ok().and_then(Pid::from_raw), hit.signal());
    }
}

/// Lets this process be killed when the thread that started it ends, however that comes about.
pub fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// This program's own file; after an upgrade in place, the file that took its name.
pub fn own_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let name = path.to_str().and_then(|path| path.strip_suffix(REPLACED)).map(PathBuf::from);
    Ok(name.unwrap_or(path))
}
