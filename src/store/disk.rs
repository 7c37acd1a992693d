//! The only file that writes. A few operations that can each fail or be cut short by a crash, and what is composed of them: replace a file, create folders.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::UNIX_EPOCH,
};

use thiserror::Error;

use super::digest::FileStamp;
use crate::domain::time::UtcMs;

/// Suffix of files that are not finished yet. A writer removes what an earlier crash left of them.
pub const TEMP_SUFFIX: &str = ".tmp";
const DIR_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;
/// Of a program: everyone may start it.
const PROGRAM_MODE: u32 = 0o755;
/// Of a file that may hold secrets: its owner reads it alone.
const PRIVATE_MODE: u32 = 0o600;
/// Tries to find a free temporary name before giving up.
const TEMP_TRIES: u32 = 10_000;
/// How often a file is opened again that another machine replaced on a network file system while it was read.
const STALE_TRIES: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskOp {
    /// Read a file or its length.
    Read,
    /// List a folder.
    List,
    /// Create an empty file.
    Create,
    /// Append bytes.
    Append,
    /// Cut a file.
    Truncate,
    /// Make the content of a file durable.
    Sync,
    /// Make the names in a folder durable.
    SyncDir,
    /// Create a folder.
    MakeDir,
    /// Give a file another name.
    Rename,
    /// Give a file a second name.
    Link,
    /// Remove a file.
    Remove,
    /// Open or take a lock file.
    Lock,
}

impl fmt::Display for DiskOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::Append => "append to",
            Self::Truncate => "truncate",
            Self::Sync => "sync",
            Self::SyncDir => "sync the folder",
            Self::MakeDir => "create the folder",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Remove => "remove",
            Self::Lock => "lock",
        })
    }
}

/// A failed operation: what, where, and what the system said.
#[derive(Debug, Error)]
#[error("{op} {}: {cause}", path.display())]
pub struct DiskError {
    pub op: DiskOp,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

impl DiskError {
    /// Puts a system error in its place.
    pub fn new(op: DiskOp, path: &Path, cause: io::Error) -> Self {
        Self { op, path: path.to_owned(), cause }
    }

    /// The kind of the system error.
    pub fn kind(&self) -> ErrorKind {
        self.cause.kind()
    }
}

/// Result of a disk operation.
pub type DiskResult<T> = Result<T, DiskError>;

/// A file written in pieces under a temporary name.
#[derive(Debug)]
pub struct Staged {
    temp: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Where the pieces are appended.
    pub fn path(&self) -> &Path {
        &self.temp
    }

    /// Where the file will be.
    pub fn target(&self) -> &Path {
        &self.target
    }
}

/// What has a name in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryKind,
    /// Its length in bytes; of a folder, nothing.
    pub bytes: u64,
    /// When its content, or the names in it, changed last.
    pub changed: UtcMs,
}

/// What kind of thing has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Dir,
    /// A file, or something else that is no folder.
    File,
    /// A symbolic link, to whatever.
    Link,
}

/// The disk. The real one is [`RealDisk`]; tests have one that fails and loses power.
pub trait Disk: Send + Sync {
    /// The folder below which every file of the store lies.
    fn root(&self) -> &Path;
    /// The whole content; `None` when there is no such file.
    fn read(&self, path: &Path) -> DiskResult<Option<Vec<u8>>>;
    /// At most `most` bytes from `offset` on; fewer where the file ends.
    fn read_at(&self, path: &Path, offset: u64, most: usize) -> DiskResult<Vec<u8>>;
    /// The length in bytes; `None` when there is no such file.
    fn len(&self, path: &Path) -> DiskResult<Option<u64>>;
    /// Names in a folder, sorted; empty when there is no such folder.
    fn list(&self, dir: &Path) -> DiskResult<Vec<String>>;
    /// Whether this is a folder.
    fn is_dir(&self, dir: &Path) -> DiskResult<bool>;
    /// Creates an empty file; an error of kind `AlreadyExists` when the name is taken.
    fn create_new(&self, path: &Path) -> DiskResult<()>;
    /// Appends to a file that exists, in one write.
    fn append(&self, path: &Path, bytes: &[u8]) -> DiskResult<()>;
    /// Cuts a file to `len` bytes.
    fn truncate(&self, path: &Path, len: u64) -> DiskResult<()>;
    /// Makes the content durable.
    fn sync(&self, path: &Path) -> DiskResult<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> DiskResult<()>;
    /// Creates one folder, or accepts the one that is there; refuses a link or a file of that name.
    fn make_dir(&self, dir: &Path) -> DiskResult<()>;
    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()>;
    /// Removes a file, or a link itself.
    fn remove(&self, path: &Path) -> DiskResult<()>;
    /// Removes a folder that is empty.
    fn remove_dir(&self, dir: &Path) -> DiskResult<()>;
    /// What has this name; `None` when nothing has. No link is followed.
    fn look(&self, path: &Path) -> DiskResult<Option<Entry>>;
    /// What the file system says of a file beside its content; `None` where that is not to be relied on.
    fn stamp(&self, _path: &Path) -> Option<FileStamp> {
        None
    }
    /// Gives a file a second name, which nothing may have. Not every file system can.
    fn link(&self, _from: &Path, to: &Path) -> DiskResult<()> {
        Err(DiskError::new(DiskOp::Link, to, ErrorKind::Unsupported.into()))
    }

    /// Creates a folder and those above it, and makes their names durable. Below the root no link is followed.
    fn create_dir_all(&self, dir: &Path) -> DiskResult<()> {
        let root = self.root();
        let is_inside = dir.starts_with(root) && self.is_dir(root)?;
        let mut base = root;
        if !is_inside {
            base = dir;
            while !base.as_os_str().is_empty() && !self.is_dir(base)? {
                base = parent(base);
            }
        }
        // Every name is synced, also of a folder that exists: the process that made it may have died before it could.
        if base.parent().is_some() {
            match self.sync_dir(parent(base)) {
                // Whoever may not read a folder did not make what lies in it.
                Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        let below: Vec<&Path> = dir.ancestors().take_while(|part| *part != base).collect();
        for part in below.into_iter().rev().filter(|part| !part.as_os_str().is_empty()) {
            self.make_dir(part)?;
            self.sync_dir(parent(part))?;
        }
        Ok(())
    }

    /// Starts a file that replaces `target` when it is finished. The folder must exist.
    fn begin(&self, target: &Path) -> DiskResult<Staged> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let mut tries = 0;
        loop {
            let n = COUNTER.fetch_add(1, Ordering::Relaxed);
            let temp =
                target.with_file_name(format!("{name}.{}.{n}{TEMP_SUFFIX}", std::process::id()));
            match self.create_new(&temp) {
                Ok(()) => return Ok(Staged { temp, target: target.to_owned() }),
                // In a container every process has the same id, so a leftover may have this name.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < TEMP_TRIES => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts a file that goes on behind the content of another one and shares it: what is appended is in both.
    fn begin_onto(&self, target: &Path, base: &Path) -> DiskResult<Staged> {
        let staged = self.begin(target)?;
        match self.remove(&staged.temp).and_then(|()| self.link(base, &staged.temp)) {
            Ok(()) => Ok(staged),
            Err(error) => {
                self.abandon(staged);
                Err(error)
            }
        }
    }

    /// Makes the content durable and gives it its name, but leaves the name to a later `sync_dir`.
    fn settle(&self, staged: Staged) -> DiskResult<()> {
        let done = self.sync(&staged.temp).and_then(|()| self.rename(&staged.temp, &staged.target));
        if done.is_err() {
            self.abandon(staged);
        }
        done
    }

    /// Makes a file that was written in pieces durable under its name.
    fn finish(&self, staged: Staged) -> DiskResult<()> {
        let dir = parent(&staged.target).to_owned();
        self.settle(staged)?;
        self.sync_dir(&dir)
    }

    /// Gives up a file that is not finished. A failure to remove it is left to the next clean-up.
    fn abandon(&self, staged: Staged) {
        let Staged { temp, target: _ } = staged;
        self.remove(&temp).ok();
    }

    /// Writes a whole file beside its final name, synced, without giving it the name yet.
    fn stage(&self, target: &Path, bytes: &[u8]) -> DiskResult<Staged> {
        let staged = self.begin(target)?;
        match self.append(&staged.temp, bytes) {
            Ok(()) => Ok(staged),
            Err(error) => {
                self.abandon(staged);
                Err(error)
            }
        }
    }

    /// Replaces a file as a whole: whoever reads sees the old content or the new one, also after a power cut.
    fn replace(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        self.finish(self.stage(path, bytes)?)
    }

    /// Replaces a file as a whole without making it durable: whoever reads sees the old content or the new one, and a power cut
    /// may take both. For state that may be lost.
    fn swap(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        let staged = self.stage(path, bytes)?;
        let done = self.rename(&staged.temp, &staged.target);
        if done.is_err() {
            self.abandon(staged);
        }
        done
    }

    /// Removes the unfinished files an earlier crash left in a folder; says how many. Only the writer of the folder may do this.
    fn clean_temps(&self, dir: &Path) -> DiskResult<usize> {
        self.clean_temps_of(dir, "")
    }

    /// The same for files whose name begins so, in a folder that has several writers.
    fn clean_temps_of(&self, dir: &Path, prefix: &str) -> DiskResult<usize> {
        let names = self.list(dir)?;
        let is_stale = |name: &&String| name.starts_with(prefix) && name.ends_with(TEMP_SUFFIX);
        let stale: Vec<_> = names.iter().filter(is_stale).collect();
        for name in &stale {
            self.remove(&dir.join(name))?;
        }
        Ok(stale.len())
    }
}

/// The folder a path lies in; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        Some(_) | None => Path::new("."),
    }
}

/// The file system.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    /// Files written to and not synced yet. A sync must go through the handle that wrote, or an error of the write-back may be missed.
    unsynced: Mutex<BTreeMap<PathBuf, Arc<File>>>,
}

impl RealDisk {
    /// Creates an empty file that its owner alone reads; an error of kind `AlreadyExists` when the name is taken.
    pub fn create_private(&self, path: &Path) -> DiskResult<()> {
        self.create_as(path, PRIVATE_MODE)
    }

    /// Replaces a program as a whole: everyone may start it.
    pub fn replace_program(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        let staged = self.begin(path)?;
        let written = self
            .remove(&staged.temp)
            .and_then(|()| self.create_as(&staged.temp, PROGRAM_MODE))
            .and_then(|()| self.append(&staged.temp, bytes));
        match written {
            Ok(()) => self.finish(staged),
            Err(error) => {
                self.abandon(staged);
                Err(error)
            }
        }
    }

    fn create_as(&self, path: &Path, mode: u32) -> DiskResult<()> {
        let file = OpenOptions::new().append(true).create_new(true).mode(mode).open(path);
        let file = file.map_err(|cause| DiskError::new(DiskOp::Create, path, cause))?;
        self.with_unsynced(|open| open.insert(path.to_owned(), Arc::new(file)));
        Ok(())
    }

    /// The file system, with the store's files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), unsynced: Mutex::new(BTreeMap::new()) }
    }

    fn with_unsynced<T>(&self, act: impl FnOnce(&mut BTreeMap<PathBuf, Arc<File>>) -> T) -> T {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        act(&mut self.unsynced.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The handle that wrote last, or a new one.
    fn writer(&self, path: &Path) -> io::Result<Arc<File>> {
        if let Some(file) = self.with_unsynced(|open| open.get(path).cloned()) {
            return Ok(file);
        }
        refuse_odd(path)?;
        let file = Arc::new(OpenOptions::new().append(true).open(path)?);
        self.with_unsynced(|open| open.insert(path.to_owned(), Arc::clone(&file)));
        Ok(file)
    }
}

/// An error when the last part of the path is a symbolic link. `NotFound` when there is nothing.
fn refuse_link(path: &Path) -> io::Result<fs::Metadata> {
    let found = fs::symlink_metadata(path)?;
    if found.is_symlink() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "is a symbolic link"));
    }
    Ok(found)
}

/// An error when the path is a link, or neither a file nor a folder: to open a pipe may wait without end, and a device may never end.
pub(super) fn refuse_odd(path: &Path) -> io::Result<fs::Metadata> {
    let found = refuse_link(path)?;
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() || kind.is_dir() => return Ok(found),
        () if kind.is_fifo() => "is a named pipe",
        () if kind.is_socket() => "is a socket",
        () => "is a device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("{what}, not a regular file")))
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Disk for RealDisk {
    fn root(&self) -> &Path {
        &self.root
    }

    fn read(&self, path: &Path) -> DiskResult<Option<Vec<u8>>> {
        let read = || refuse_odd(path).and_then(|_| fs::read(path));
        let is_stale = |error: &io::Error| error.kind() == ErrorKind::StaleNetworkFileHandle;
        let (mut found, mut tries) = (read(), 0);
        while tries < STALE_TRIES && found.as_ref().is_err_and(is_stale) {
            (found, tries) = (read(), tries + 1);
        }
        absent_is_none(found).map_err(|cause| DiskError::new(DiskOp::Read, path, cause))
    }

    fn read_at(&self, path: &Path, offset: u64, most: usize) -> DiskResult<Vec<u8>> {
        let read = || -> io::Result<Vec<u8>> {
            refuse_odd(path)?;
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::with_capacity(most);
            file.take(most as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|cause| DiskError::new(DiskOp::Read, path, cause))
    }

    fn len(&self, path: &Path) -> DiskResult<Option<u64>> {
        absent_is_none(refuse_odd(path).map(|found| found.len()))
            .map_err(|cause| DiskError::new(DiskOp::Read, path, cause))
    }

    fn list(&self, dir: &Path) -> DiskResult<Vec<String>> {
        let failed = |cause| DiskError::new(DiskOp::List, dir, cause);
        let Some(entries) = absent_is_none(fs::read_dir(dir)).map_err(failed)? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn is_dir(&self, dir: &Path) -> DiskResult<bool> {
        absent_is_none(fs::metadata(dir))
            .map(|found| found.is_some_and(|data| data.is_dir()))
            .map_err(|cause| DiskError::new(DiskOp::Read, dir, cause))
    }

    fn create_new(&self, path: &Path) -> DiskResult<()> {
        self.create_as(path, FILE_MODE)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> DiskResult<()> {
        self.writer(path)
            .and_then(|file| (&*file).write_all(bytes))
            .map_err(|cause| DiskError::new(DiskOp::Append, path, cause))
    }

    fn truncate(&self, path: &Path, len: u64) -> DiskResult<()> {
        self.writer(path)
            .and_then(|file| file.set_len(len))
            .map_err(|cause| DiskError::new(DiskOp::Truncate, path, cause))
    }

    fn sync(&self, path: &Path) -> DiskResult<()> {
        let result = self.writer(path).and_then(|file| file.sync_all());
        self.with_unsynced(|open| open.remove(path));
        result.map_err(|cause| DiskError::new(DiskOp::Sync, path, cause))
    }

    fn sync_dir(&self, dir: &Path) -> DiskResult<()> {
        File::open(dir)
            .and_then(|file| file.sync_all())
            .map_err(|cause| DiskError::new(DiskOp::SyncDir, dir, cause))
    }

    fn make_dir(&self, dir: &Path) -> DiskResult<()> {
        let made = match DirBuilder::new().mode(DIR_MODE).create(dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                refuse_link(dir).and_then(|found| {
                    if found.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
                })
            }
            made => made,
        };
        made.map_err(|cause| DiskError::new(DiskOp::MakeDir, dir, cause))
    }

    #[expect(clippy::disallowed_methods, reason = "this file is where renaming is done")]
    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()> {
        fs::rename(from, to).map_err(|cause| DiskError::new(DiskOp::Rename, to, cause))?;
        self.with_unsynced(|open| {
            open.remove(to);
            if let Some(file) = open.remove(from) {
                open.insert(to.to_owned(), file);
            }
        });
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this file is where removing is done")]
    fn remove(&self, path: &Path) -> DiskResult<()> {
        self.with_unsynced(|open| open.remove(path));
        fs::remove_file(path).map_err(|cause| DiskError::new(DiskOp::Remove, path, cause))
    }

    fn remove_dir(&self, dir: &Path) -> DiskResult<()> {
        fs::remove_dir(dir).map_err(|cause| DiskError::new(DiskOp::Remove, dir, cause))
    }

    fn look(&self, path: &Path) -> DiskResult<Option<Entry>> {
        let found = absent_is_none(fs::symlink_metadata(path))
            .map_err(|cause| DiskError::new(DiskOp::Read, path, cause))?;
        Ok(found.map(|found| {
            let (kind, bytes) = if found.is_symlink() {
                (EntryKind::Link, found.len())
            } else if found.is_dir() {
                (EntryKind::Dir, 0)
            } else {
                (EntryKind::File, found.len())
            };
            let since = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
            Entry { kind, bytes, changed: UtcMs::EPOCH.plus_ms(ms.unwrap_or_default()) }
        }))
    }

    fn stamp(&self, path: &Path) -> Option<FileStamp> {
        // What cannot be looked at is not relied on.
        FileStamp::of(path).ok().flatten()
    }

    fn link(&self, from: &Path, to: &Path) -> DiskResult<()> {
        refuse_odd(from)
            .and_then(|_| fs::hard_link(from, to))
            .map_err(|cause| DiskError::new(DiskOp::Link, to, cause))
    }
}

/// Opens a log for appending. Logs are not ledgers: nothing is synced.
pub fn open_log(path: &Path) -> io::Result<File> {
    absent_is_none(refuse_link(path))?;
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

/// Puts a log that is full in the place of the one before it. Nothing is synced.
#[expect(clippy::disallowed_methods, reason = "this file is where renaming is done")]
pub(super) fn rotate(full: &Path, before: &Path) -> io::Result<()> {
    refuse_link(full)?;
    fs::rename(full, before)
}

/// Copies the last `most` bytes of a file that is longer to `before`, and empties it. Whoever appends to it goes on. Nothing is synced.
pub(super) fn cut_to_end(path: &Path, before: &Path, most: u64) -> io::Result<()> {
    let Some(length) = absent_is_none(refuse_link(path))?.map(|found| found.len()) else {
        return Ok(());
    };
    if length <= most {
        return Ok(());
    }
    absent_is_none(refuse_link(before))?;
    let mut full = OpenOptions::new().read(true).write(true).open(path)?;
    full.seek(SeekFrom::End(-i64::try_from(most).unwrap_or(i64::MAX)))?;
    let mut kept =
        OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(before)?;
    io::copy(&mut Read::by_ref(&mut full).take(most), &mut kept)?;
    full.set_len(0)
}

/// Whether this is a folder and no link to one.
pub fn is_own_dir(dir: &Path) -> bool {
    fs::symlink_metadata(dir).is_ok_and(|found| found.is_dir())
}

/// Removes a folder unless something lies in it, or it is a link; says whether it is gone.
pub fn remove_empty_dir(dir: &Path) -> bool {
    is_own_dir(dir) && fs::remove_dir(dir).is_ok()
}

/// Opens a lock file, creating it when absent. Its content is no data: it names the owner.
pub(super) fn open_lock_file(path: &Path) -> DiskResult<File> {
    let open = || {
        absent_is_none(refuse_odd(path))?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)
    };
    open().map_err(|cause| DiskError::new(DiskOp::Lock, path, cause))
}

/// Writes the owner into a lock file that is held.
pub(super) fn write_owner(mut held: &File, path: &Path, owner: &str) -> DiskResult<()> {
    held.set_len(0)
        .and_then(|()| held.write_all(owner.as_bytes()))
        .map_err(|cause| DiskError::new(DiskOp::Lock, path, cause))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn c9_a_replaced_file_has_one_name_and_the_right_modes() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let dir = temp.path().join("a/b");
        disk.create_dir_all(&dir).unwrap();
        for content in ["one", "two"] {
            disk.replace(&dir.join("f"), content.as_bytes()).unwrap();
            assert_eq!(disk.read(&dir.join("f")).unwrap().unwrap(), content.as_bytes());
        }
        assert_eq!(disk.list(&dir).unwrap(), ["f"]);
        assert_eq!((mode(&dir) | 0o050, mode(&dir.join("f")) | 0o040), (DIR_MODE, FILE_MODE));
        assert!(disk.unsynced.lock().unwrap().is_empty());
    }

    #[test]
    fn links_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        symlink(outside.path(), temp.path().join("tag")).unwrap();
        let error = disk.create_dir_all(&temp.path().join("tag/BTC_USD")).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        disk.create_dir_all(&temp.path().join("d")).unwrap();
        let target = outside.path().join("f");
        disk.replace(&target, b"x").unwrap();
        symlink(&target, temp.path().join("d/f")).unwrap();
        for result in [
            disk.read(&temp.path().join("d/f")).map(|_| ()),
            disk.append(&temp.path().join("d/f"), b"y"),
            disk.truncate(&temp.path().join("d/f"), 0),
        ] {
            assert!(result.unwrap_err().to_string().contains("symbolic link"));
        }
        assert_eq!(disk.read(&target).unwrap().unwrap(), b"x");
    }

    /// A socket, since nothing here makes a pipe: what is not a file is refused by what it is, before it is opened.
    #[test]
    fn what_is_neither_a_file_nor_a_folder_is_refused_before_it_is_opened() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let socket = temp.path().join("decisions.csv");
        let _held = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&socket, Path::new("/dev/zero")] {
            for result in [
                disk.read(path).map(|_| ()),
                disk.read_at(path, 0, 10).map(|_| ()),
                disk.len(path).map(|_| ()),
                disk.append(path, b"y"),
                open_lock_file(path).map(|_| ()),
            ] {
                assert!(result.unwrap_err().to_string().contains("not a regular file"));
            }
        }
    }

    #[test]
    fn leftovers_are_cleaned_and_never_reused() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let target = temp.path().join("f");
        let left = disk.begin(&target).unwrap();
        let other = disk.begin(&target).unwrap();
        assert_ne!(left.path(), other.path());
        disk.append(other.path(), b"done").unwrap();
        disk.finish(other).unwrap();
        assert_eq!(disk.clean_temps(temp.path()).unwrap(), 1);
        assert_eq!(disk.list(temp.path()).unwrap(), ["f"]);
    }

    #[test]
    fn what_is_absent_is_none_and_errors_name_the_file() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let path = temp.path().join("absent");
        assert_eq!(disk.read(&path).unwrap(), None);
        assert_eq!(disk.len(&path).unwrap(), None);
        assert!(disk.list(&path).unwrap().is_empty());
        let message = disk.append(&path, b"x").unwrap_err().to_string();
        assert!(message.starts_with("append to ") && message.contains("absent: "), "{message}");
    }
}
