//! What content a file has: SHA-256 in hex, for run records, proofs and checkpoints; and what a file system says of a file beside its
//! content. A file with the stamp it had has the content it had.
//!
//! What makes that sound is the time of change: the kernel sets it at every write, rename, link and change of rights, and no call sets it
//! to another value, as `touch -r` does with the time of writing. So an edit of the same length whose time of writing was put back still
//! has another stamp. Two changes within one step of the kernel's clock may have the same time, so a stamp counts as settled only when it
//! is a while older than the reading. Where a file system keeps no such time, there is no stamp. Rot of the medium changes no stamp: that
//! is for `runner verify` and the job `check`, which read everything.

use std::{
    fmt::Write,
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use rustix::fs::statfs;
use serde::{Deserialize, Serialize};
use sha2::{
    Digest, Sha256,
    digest::common::hazmat::{SerializableState, SerializedState},
};

use super::{disk::Disk, error::StoreError};
use crate::domain::time::UtcMs;

/// SHA-256 of some bytes, 64 hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

/// Bytes read at once where a file is digested.
const READ: u64 = 1 << 20;

/// SHA-256 of the first `len` bytes of a file, and how many there were.
pub fn sha256_of<D: Disk>(disk: &D, path: &Path, len: u64) -> Result<(u64, String), StoreError> {
    let (bytes, running) = RunningDigest::of_file(disk, path, len)?;
    Ok((bytes, running.digest()))
}

/// A SHA-256 that is not finished: of a file that grows.
#[derive(Debug, Clone, Default)]
pub struct RunningDigest(Sha256);

impl RunningDigest {
    /// Of a ledger that has its header and no row.
    pub fn of_header(header: &str) -> Self {
        let mut running = Self::default();
        running.add(header.as_bytes());
        running.add(b"\n");
        running
    }

    /// Of the first `len` bytes of a file, and how many there were.
    pub fn of_file<D: Disk>(disk: &D, path: &Path, len: u64) -> Result<(u64, Self), StoreError> {
        let (mut at, mut running) = (0, Self::default());
        while at < len {
            let bytes = disk.read_at(path, at, READ.min(len - at) as usize)?;
            if bytes.is_empty() {
                break;
            }
            running.add(&bytes);
            at += bytes.len() as u64;
        }
        Ok((at, running))
    }

    /// Takes in what follows.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all so far, 64 hex digits.
    pub fn digest(&self) -> String {
        hex(&self.0.clone().finalize())
    }

    /// Where it is, as text, for [`RunningDigest::resume`].
    pub fn save(&self) -> String {
        hex(&self.0.serialize())
    }

    /// The one that [`RunningDigest::save`] wrote.
    pub fn resume(text: &str) -> Option<Self> {
        let mut state = SerializedState::<Sha256>::default();
        if text.len() != state.len() * 2 || !text.is_ascii() {
            return None;
        }
        for (n, byte) in state.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
        }
        Sha256::deserialize(&state).ok().map(Self)
    }
}

/// How much older than a reading a change must be: the kernel's clock goes in steps of up to 10 ms, and clocks are set by seconds.
const SETTLED_MS: i64 = 2_000;
/// File systems of Linux whose time of change is the kernel's own: ext2 to ext4, XFS, Btrfs, F2FS, tmpfs, overlay, ZFS, bcachefs. Not among
/// them: what comes over a network or from another system, which may keep no such time or let it be set.
const KEEPS_CHANGES: [u64; 8] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0x0102_1994,
    0x794c_7630,
    0x2fc1_2fc1,
    0xca45_1a4e,
];

/// A file as its file system sees it. The default is that of a file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// When it was written to: seconds and nanoseconds.
    written: (i64, i64),
    /// When it was changed in any way, likewise.
    changed: (i64, i64),
}

impl FileStamp {
    /// Of a file; `None` where the file system does not keep the time of changes.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => found,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Self::default())),
            Err(error) => return Err(error),
        };
        let kind = u64::try_from(statfs(path)?.f_type).unwrap_or_default();
        Ok(KEEPS_CHANGES.contains(&kind).then(|| Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }))
    }

    /// Its length.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it is the same file as before, so many bytes longer.
    pub const fn is_longer(&self, before: &Self, bytes: u64) -> bool {
        self.device == before.device
            && self.inode == before.inode
            && self.bytes == before.bytes.saturating_add(bytes)
    }

    /// Whether the last change was so long before that time that a later one has another stamp.
    pub const fn is_settled(&self, at: UtcMs) -> bool {
        self.changed_ms().saturating_add(SETTLED_MS) <= at.get()
    }

    /// Whether it was changed behind that time.
    pub const fn is_newer(&self, at: UtcMs) -> bool {
        self.changed_ms() > at.get()
    }

    const fn changed_ms(&self) -> i64 {
        self.changed.0.saturating_mul(1_000).saturating_add(self.changed.1 / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Seek as _, SeekFrom, Write as _},
        os::unix::fs::symlink,
    };

    use super::*;
    use crate::store::disk::RealDisk;

    #[test]
    fn the_digest_is_the_known_one() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), known);
    }

    #[test]
    fn a_running_digest_goes_on_from_anywhere() {
        let bytes: Vec<u8> = (0..1_000_u32).map(|n| (n % 251) as u8).collect();
        for cut in [0, 1, 63, 64, 65, 500, 1_000] {
            let mut first = RunningDigest::default();
            first.add(&bytes[..cut]);
            let mut rest = RunningDigest::resume(&first.save()).unwrap();
            rest.add(&bytes[cut..]);
            assert_eq!(rest.digest(), sha256_hex(&bytes), "{cut}");
        }
        let text = RunningDigest::default().save();
        assert!(RunningDigest::resume(&text[1..]).is_none() && RunningDigest::resume("").is_none());
    }

    /// Writes one byte of a file where it is, and puts back when it was written.
    fn edit(path: &Path, at: u64, byte: u8) {
        let mut file = File::options().write(true).open(path).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[byte]).unwrap();
        file.set_modified(written).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), written);
    }

    #[test]
    fn an_edit_that_keeps_length_and_time_of_writing_changes_the_stamp() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"1,2\n").unwrap();
        let first = FileStamp::of(&path).unwrap().unwrap();
        assert_eq!((first.bytes(), FileStamp::of(&path).unwrap()), (4, Some(first)));
        edit(&path, 2, b'3');
        let edited = FileStamp::of(&path).unwrap().unwrap();
        assert_eq!((edited.bytes, edited.written), (first.bytes, first.written));
        assert_ne!(edited, first);
    }

    #[test]
    fn a_file_that_comes_or_goes_has_another_stamp_and_a_link_has_none() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        assert_eq!(FileStamp::of(&path).unwrap(), Some(FileStamp::default()));
        File::create(&path).unwrap();
        assert_ne!(FileStamp::of(&path).unwrap(), Some(FileStamp::default()));
        let link = temp.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(FileStamp::of(&link).unwrap(), None);
        assert_eq!(FileStamp::of(Path::new("/proc/self/stat")).unwrap(), None, "not kept there");
    }

    #[test]
    fn a_file_that_grew_by_so_many_bytes_is_told_from_every_other_one() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let look = || FileStamp::of(&path).unwrap().unwrap();
        File::create(&path).unwrap().write_all(b"a,b\n").unwrap();
        let before = look();
        File::options().append(true).open(&path).unwrap().write_all(b"1,2\n").unwrap();
        assert!(look().is_longer(&before, 4) && !look().is_longer(&before, 3));
        assert!(!before.is_longer(&look(), 4));
        // One of that length that was put in its place.
        RealDisk::new(temp.path()).replace(&path, b"a,b\n7,2\n").unwrap();
        assert!(!look().is_longer(&before, 4));
    }

    #[test]
    fn a_stamp_settles_after_a_while() {
        let at = |ms| UtcMs::new(ms).unwrap();
        let stamp = FileStamp { changed: (1_000, 500_000_000), ..FileStamp::default() };
        assert!(!stamp.is_settled(at(1_002_499)) && stamp.is_settled(at(1_002_500)));
        assert!(stamp.is_newer(at(1_000_499)) && !stamp.is_newer(at(1_000_500)));
    }
}
