//! The first process of a container inherits every process that has lost its parent. Each stays a zombie until it is waited for, which
//! only the first process can do.

use std::{
    collections::BTreeSet,
    fs, io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

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
