//! All processes of a run, wherever they went: each carries the same variables in its environment, which only it can take off.
//! Ending a process with everything it started, once it is certain which one it is. Orphans: the first process of a container inherits
//! every process that has lost its parent, and each stays a zombie until it is waited for, which only the first process can do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getpgid, kill_process, pidfd_open,
    pidfd_send_signal, waitid, waitpid,
};

/// How a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSignal {
    /// It may still clean up.
    Term,
    Kill,
}

impl EndSignal {
    pub(super) const fn signal(self) -> Signal {
        match self {
            Self::Term => Signal::TERM,
            Self::Kill => Signal::KILL,
        }
    }
}

/// Variables that mark the processes of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessTag(BTreeMap<String, String>);

impl ProcessTag {
    /// These variables together.
    pub fn new(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(variables.iter().map(owned).collect())
    }

    /// The one of everything that a run starts below a root, and that those start: each run and each step has a variable of its own, so that
    /// the processes of a step carry those of its pipeline too.
    pub fn of_run(root: &Path, run: &str) -> Self {
        let home = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let of = format!("{}\n{run}", home.display());
        let hash = xxhash_rust::xxh3::xxh3_64(of.as_bytes());
        Self::new(&[(&format!("MJOLNIR_OF_{hash:016X}"), run)])
    }

    /// To be set in the environment of the first one.
    pub fn variables(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }

    /// How many processes carry it, this one not counted.
    pub fn count(&self) -> usize {
        self.pids().len()
    }

    /// Tells all of them to end. One that ends meanwhile is not missed: no other process is hit in its place.
    pub fn hit(&self, hit: EndSignal) {
        for pid in self.pids() {
            // A process that is gone needs no signal.
            let _ = self.hit_one(pid, hit);
        }
    }

    /// Tells those of them to end that are not in this group: its members get the signal by other means.
    pub fn hit_outside(&self, group: Option<Pid>, hit: EndSignal) {
        for pid in self.pids().into_iter().filter(|pid| getpgid(Some(*pid)).ok() != group) {
            // A process that is gone needs no signal.
            let _ = self.hit_one(pid, hit);
        }
    }

    fn hit_one(&self, pid: Pid, hit: EndSignal) -> io::Result<()> {
        match pidfd_open(pid, PidfdFlags::empty()) {
            // The number may have gone to another process before it was held.
            Ok(held) if self.is_on(pid) => Ok(pidfd_send_signal(held, hit.signal())?),
            Ok(_) => Ok(()),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
                Ok(kill_process(pid, hit.signal())?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn pids(&self) -> Vec<Pid> {
        let own = std::process::id();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(|number| *number != own)
            .filter_map(|number| Pid::from_raw(i32::try_from(number).ok()?))
            .filter(|pid| self.is_on(*pid))
            .collect()
    }

    fn is_on(&self, pid: Pid) -> bool {
        // Of a process that has ended, or belongs to another user, nothing can be read.
        let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
        let Ok(environment) = fs::read(path) else { return false };
        self.0.iter().all(|(name, value)| {
            let wanted = format!("{name}={value}");
            environment.split(|byte| *byte == 0).any(|found| found == wanted.as_bytes())
        })
    }
}

/// Kills the process with this id, and the processes it started, if it has the file open: then the id means this process and no
/// other one, in this namespace of ids. Returns how many were killed.
pub fn kill_holder(pid: u32, file: &Path) -> io::Result<usize> {
    held_by(pid, file)?;
    let family = family(pid);
    family.iter().try_for_each(|member| kill(*member))?;
    Ok(family.len())
}

/// Sends SIGHUP to the process with this id, if it has the file open: else the id may mean another process by now.
pub fn hang_up_holder(pid: u32, file: &Path) -> io::Result<()> {
    held_by(pid, file)?;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(kill_process(process.ok_or(io::ErrorKind::NotFound)?, Signal::HUP)?)
}

/// Kills what this process started, and what that started. One that cannot be killed is left.
pub fn kill_offspring() {
    for member in family(std::process::id()).into_iter().skip(1) {
        let _ = kill(member);
    }
}

fn kill(pid: u32) -> io::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    match kill_process(pid, Signal::KILL) {
        // It may have ended by itself meanwhile.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a process that does not have the file open.
fn held_by(pid: u32, file: &Path) -> io::Result<()> {
    if has_open(pid, file)? {
        return Ok(());
    }
    let why =
        format!("process {pid}, as it is known here, is not the one that holds {}", file.display());
    Err(io::Error::new(io::ErrorKind::NotFound, why))
}

fn has_open(pid: u32, file: &Path) -> io::Result<bool> {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let wanted = identity(fs::metadata(file)?);
    let entries = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    let mut open = entries.flatten().filter_map(|entry| fs::metadata(entry.path()).ok());
    Ok(open.any(|meta| identity(meta) == wanted))
}

/// The process, its children, theirs, and so on.
fn family(pid: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = parent_of(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(member) = all.get(next) {
        all.extend(children.remove(member).unwrap_or_default());
        next += 1;
    }
    all
}

/// The fourth field of `/proc/PID/stat`; the second, a name in parentheses, may hold blanks.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Processes that this one started itself: the place that started them waits for them.
static OURS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A process that this one started, until it was waited for.
#[derive(Debug)]
pub(super) struct Ours(u32);

impl Ours {
    /// Starts a process. It is known as ours before it can be seen to end.
    pub fn start<T>(
        start: impl FnOnce() -> io::Result<T>,
        pid: impl FnOnce(&T) -> Option<u32>,
    ) -> io::Result<(T, Option<Self>)> {
        let mut ours = lock();
        let child = start()?;
        let pid = pid(&child);
        ours.extend(pid);
        Ok((child, pid.map(Self)))
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        lock().remove(&self.0);
    }
}

/// Whether orphans come to this process.
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Waits for the orphans that have ended. Returns how many there were.
pub fn reap() -> usize {
    let looks = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if !matches!(waitid(WaitId::All, looks), Ok(Some(_))) {
        return 0;
    }
    let ours = lock();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let orphans = numbers.filter(|number| !ours.contains(number) && is_ended_child(*number));
    let pids = orphans.filter_map(|number| Pid::from_raw(i32::try_from(number).ok()?));
    pids.filter(|pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(Some(_)))).count()
}

/// State and parent follow the name in `/proc/PID/stat`, which is in parentheses.
fn is_ended_child(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_whitespace();
    let parent = std::process::id().to_string();
    fields.next() == Some("Z") && fields.next() == Some(parent.as_str())
}

fn lock() -> MutexGuard<'static, BTreeSet<u32>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_does_not_have_the_file_open_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(has_open(std::process::id(), file.path()).unwrap());
        let closed = file.into_temp_path();
        assert!(!has_open(std::process::id(), &closed).unwrap());
        let error = kill_holder(std::process::id(), &closed).unwrap_err();
        assert!(error.to_string().contains("is not the one that holds"), "{error}");
        assert!(!has_open(u32::MAX, &closed).unwrap());
    }

    #[test]
    fn a_process_has_a_parent() {
        let parent = parent_of(std::process::id()).unwrap();
        assert!(family(parent).contains(&std::process::id()));
    }
}
