//! What can go wrong in the store, in the kinds a caller tells apart: the disk failed, a file is damaged, a lock is held, something is missing.

use std::path::PathBuf;

use thiserror::Error;

use super::{disk::DiskError, lock::LockError};

/// A failure of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A file does not hold what it must hold. It was left untouched.
    #[error("{}{}: {reason}", path.display(), line_suffix(*line))]
    Damaged {
        path: PathBuf,
        /// Line of a text file, or row of a table, from 1; 0 when the file as a whole is meant.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody else writes here.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// A file or record that must exist does not.
    #[error("{what} is missing: {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What was looked for.
        what: String,
    },
    /// A ledger after a failure that cannot be undone: leave, restart, recover from the file.
    #[error("{}: refused, because an earlier write or sync failed ({reason})", path.display())]
    Poisoned {
        /// The ledger.
        path: PathBuf,
        /// The earlier failure.
        reason: String,
    },
    /// Another process kept the database of run records to itself for too long.
    #[error(
        "{}: another process has kept it locked for more than {waited_s} s: look for a runner that hangs or a copy being made (`fuser {}`), then try again",
        path.display(), path.display()
    )]
    Busy {
        path: PathBuf,
        /// How long this process waited, in seconds.
        waited_s: u64,
    },
    /// The database of run records refused.
    #[error("{}: {reason}", path.display())]
    Records {
        path: PathBuf,
        /// What it said.
        reason: String,
    },
}

fn line_suffix(line: u64) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

impl StoreError {
    /// A damaged file; `line` 0 means the file as a whole.
    pub fn damaged(path: impl Into<PathBuf>, line: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), line, reason: reason.into() }
    }

    /// Whether the outside failed (exit 74), as opposed to bad data (65) or a held lock (75).
    pub fn is_io(&self) -> bool {
        match self {
            Self::Disk(_) | Self::Poisoned { .. } | Self::Records { .. } => true,
            Self::Locked(error) => !error.is_held(),
            Self::Damaged { .. } | Self::Missing { .. } | Self::Busy { .. } => false,
        }
    }

    /// Whether it may be over when it is tried again: the outside failed, or somebody else is at work.
    pub fn is_passing(&self) -> bool {
        self.is_io() || self.is_held()
    }

    /// Whether a lock is held by somebody else (exit 75).
    pub fn is_held(&self) -> bool {
        match self {
            Self::Locked(error) => error.is_held(),
            Self::Busy { .. } => true,
            Self::Disk(_)
            | Self::Damaged { .. }
            | Self::Missing { .. }
            | Self::Poisoned { .. }
            | Self::Records { .. } => false,
        }
    }
}
