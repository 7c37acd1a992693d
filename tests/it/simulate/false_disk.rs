//! A disk that says it did what it did not do, for one kind of operation and the files whose path holds a word.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use mjolnir::store::disk::{Disk, DiskError, DiskOp, DiskResult, Entry};

use crate::support::sim_disk::SimDisk;

/// What it lies about. The word picks the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    Honest,
    /// A sync does nothing.
    Sync(&'static str),
    /// A sync of a folder does nothing.
    SyncDir(&'static str),
    /// A failed append is reported as done.
    Append(&'static str),
    /// A cut is reported as done.
    Truncate(&'static str),
    /// A rename is reported as done.
    Rename(&'static str),
    /// No file can be created; this one is told.
    Full(&'static str),
    /// Nothing; but another process writes while this one reads.
    Writes(&'static Writes),
}

/// What another process has written by the time the length of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Writes {
    pub before: &'static str,
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

/// The disk.
#[derive(Debug, Clone, Copy)]
pub struct FalseDisk<'a> {
    pub disk: &'a SimDisk,
    pub lie: Lie,
}

fn holds(path: &Path, word: &str) -> bool {
    path.to_string_lossy().contains(word)
}

impl Disk for FalseDisk<'_> {
    fn root(&self) -> &Path {
        self.disk.root()
    }

    fn read(&self, path: &Path) -> DiskResult<Option<Vec<u8>>> {
        self.disk.read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, most: usize) -> DiskResult<Vec<u8>> {
        self.disk.read_at(path, offset, most)
    }

    fn len(&self, path: &Path) -> DiskResult<Option<u64>> {
        if let Lie::Writes(other) = self.lie
            && holds(path, other.before)
        {
            for (path, bytes) in &other.files {
                self.disk.plant(path, bytes);
            }
        }
        self.disk.len(path)
    }

    fn list(&self, dir: &Path) -> DiskResult<Vec<String>> {
        self.disk.list(dir)
    }

    fn is_dir(&self, dir: &Path) -> DiskResult<bool> {
        self.disk.is_dir(dir)
    }

    fn create_new(&self, path: &Path) -> DiskResult<()> {
        match self.lie {
            Lie::Full(word) if holds(path, word) => {
                Err(DiskError::new(DiskOp::Create, path, ErrorKind::StorageFull.into()))
            }
            _ => self.disk.create_new(path),
        }
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        let done = self.disk.append(path, bytes);
        match self.lie {
            Lie::Append(word) if holds(path, word) && !self.disk.is_dead() => Ok(()),
            _ => done,
        }
    }

    fn truncate(&self, path: &Path, len: u64) -> DiskResult<()> {
        match self.lie {
            Lie::Truncate(word) if holds(path, word) => Ok(()),
            _ => self.disk.truncate(path, len),
        }
    }

    fn sync(&self, path: &Path) -> DiskResult<()> {
        match self.lie {
            Lie::Sync(word) if holds(path, word) => Ok(()),
            _ => self.disk.sync(path),
        }
    }

    fn sync_dir(&self, dir: &Path) -> DiskResult<()> {
        match self.lie {
            Lie::SyncDir(word) if holds(dir, word) => Ok(()),
            _ => self.disk.sync_dir(dir),
        }
    }

    fn make_dir(&self, dir: &Path) -> DiskResult<()> {
        self.disk.make_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()> {
        match self.lie {
            Lie::Rename(word) if holds(to, word) => Ok(()),
            _ => self.disk.rename(from, to),
        }
    }

    fn remove(&self, path: &Path) -> DiskResult<()> {
        self.disk.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> DiskResult<()> {
        self.disk.remove_dir(dir)
    }

    fn look(&self, path: &Path) -> DiskResult<Option<Entry>> {
        self.disk.look(path)
    }
}
