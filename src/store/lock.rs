//! One writer: an OS file lock that dies with its process, and a text inside that says whose it is.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::disk::{DiskError, DiskOp, open_lock_file, refuse_odd, write_owner};
use crate::domain::{ids::RunId, time::UtcMs};

/// Longest owner text shown, in characters. The file may hold anything.
const OWNER_MAX: usize = 300;
/// How often a lock is tried again that may only be looked at.
const LOOKERS: u32 = 2_000;

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// The run it belongs to.
    pub run_id: RunId,
    /// Name of the job.
    pub job: String,
    /// When it was taken.
    pub since: UtcMs,
}

impl Owner {
    /// What the holder of a lock wrote into it; `None` when that is not readable. It may be stale when nobody holds the lock.
    pub fn read(path: &Path) -> Option<Self> {
        refuse_odd(path).ok()?;
        let text = fs::read_to_string(path).ok()?;
        let mut parts = text.trim_end().split(", ");
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix(' ');
        Some(Self {
            pid: part("pid")?.parse().ok()?,
            run_id: part("run")?.parse().ok()?,
            job: part("job")?.to_owned(),
            since: part("since")?.parse().ok()?,
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, run_id, job, since } = self;
        write!(f, "pid {pid}, run {run_id}, job {job}, since {since}")
    }
}

/// Why a lock could not be taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("{} is held by {owner}: wait for that run, or stop it", path.display())]
    Held {
        path: PathBuf,
        /// What the holder wrote into it.
        owner: String,
    },
    /// The lock file could not be opened or locked.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl LockError {
    /// Whether somebody else holds it.
    pub fn is_held(&self) -> bool {
        match self {
            Self::Held { .. } => true,
            Self::Disk(_) => false,
        }
    }
}

/// A held lock. Dropping it, or the death of the process, releases it; the file stays.
#[derive(Debug)]
pub struct Lock {
    held: File,
}

impl Lock {
    /// Takes the lock without waiting. The folder must exist.
    pub fn take(path: &Path, owner: &Owner) -> Result<Self, LockError> {
        let file = open_lock_file(path)?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // Somebody may only be looking whether it is held, which takes a moment.
                Err(TryLockError::WouldBlock) if tries < LOOKERS => tries += 1,
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Held { path: path.to_owned(), owner: read_owner(path) });
                }
                Err(TryLockError::Error(cause)) => {
                    return Err(DiskError::new(DiskOp::Lock, path, cause).into());
                }
            }
            std::thread::yield_now();
        }
        write_owner(&file, path, &format!("{owner}\n"))?;
        Ok(Self { held: file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough at once: a program that is being started has it open too, for a moment.
        let _ = self.held.unlock();
    }
}

/// Whether a process holds this lock. A file that is not there, or cannot be read, is held by nobody.
pub fn is_held(path: &Path) -> bool {
    let Ok(file) = refuse_odd(path).and_then(|_| File::open(path)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// A lock that is held for moments only, by several processes in turn. It names no owner.
#[derive(Debug)]
pub struct LockGate {
    path: PathBuf,
    file: File,
}

/// The inside of a [`LockGate`]. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Inside<'g>(&'g LockGate);

impl LockGate {
    /// Opens the lock file. The folder must exist.
    pub fn open(path: &Path) -> Result<Self, LockError> {
        Ok(Self { path: path.to_owned(), file: open_lock_file(path)? })
    }

    /// Enters if nobody else is inside.
    pub fn try_enter(&self) -> Result<Option<Inside<'_>>, LockError> {
        match self.file.try_lock() {
            Ok(()) => Ok(Some(Inside(self))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => {
                Err(DiskError::new(DiskOp::Lock, &self.path, cause).into())
            }
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        // Closing the file, at the latest when this process ends, unlocks it too.
        let _ = self.0.file.unlock();
    }
}

fn read_owner(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[..text.len().min(OWNER_MAX)]);
    let text: String = text.trim().chars().flat_map(char::escape_debug).collect();
    if text.is_empty() { "an unnamed process".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pid: u32) -> Owner {
        let since = UtcMs::new(1_700_000_000_000).unwrap();
        Owner { pid, run_id: "r1".parse().unwrap(), job: "paper".into(), since }
    }

    #[test]
    fn c15_a_second_writer_is_refused_and_told_who_holds_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(".writer.lock");
        let first = Lock::take(&path, &owner(7)).unwrap();
        let error = Lock::take(&path, &owner(8)).unwrap_err();
        assert!(error.is_held());
        let expected = "is held by pid 7, run r1, job paper, since 2023-11-14T22:13:20Z: wait for that run, or stop it";
        assert!(error.to_string().ends_with(expected), "{error}");
        assert!(is_held(&path) && !is_held(&temp.path().join("other")));
        assert_eq!(Owner::read(&path), Some(owner(7)));
        drop(first);
        assert!(!is_held(&path));
        assert!(Lock::take(&path, &owner(8)).is_ok());
        assert!(path.exists());
    }

    #[test]
    fn one_at_a_time_is_inside_a_gate() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("gate");
        let (one, other) = (LockGate::open(&path).unwrap(), LockGate::open(&path).unwrap());
        let inside = one.try_enter().unwrap();
        assert!(inside.is_some());
        assert!(other.try_enter().unwrap().is_none());
        drop(inside);
        assert!(other.try_enter().unwrap().is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_locked_is_an_io_error() {
        let error = Lock::take(Path::new("/nonexistent/x.lock"), &owner(1)).unwrap_err();
        assert!(!error.is_held());
        assert!(error.to_string().starts_with("lock /nonexistent/x.lock: "), "{error}");
    }
}
