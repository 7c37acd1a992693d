//! Append-only CSV files: look without touching, cut a torn tail, append in one write, and stop for good when a sync fails.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{
    digest::FileStamp,
    disk::{Disk, parent},
    error::StoreError,
    layout::Quarantine,
};
use crate::domain::time::SlotTs;

/// Names tried for one quarantined tail.
const QUARANTINE_TRIES: u32 = 10_000;

/// Bytes read at once where a file is looked through.
const PIECE: usize = 1 << 20;
/// Bytes at the end of a file in which its last lines are looked for first.
const TAIL: u64 = 4 << 10;

/// What is in a ledger, before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerContent {
    /// No file.
    Absent,
    /// A file.
    Present {
        /// How many bytes there are up to and including the last good newline; 0 when the file was torn while it was created.
        whole: u64,
        /// The bytes after them.
        torn: Vec<u8>,
    },
}

/// A ledger that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    path: PathBuf,
    header: &'static str,
    found: LedgerContent,
}

impl Inspection {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    pub fn found(&self) -> &LedgerContent {
        &self.found
    }

    /// How many bytes count: header and whole rows.
    pub fn whole(&self) -> u64 {
        match &self.found {
            LedgerContent::Absent => 0,
            LedgerContent::Present { whole, torn: _ } => *whole,
        }
    }

    /// Lets only the first `end` bytes count, which end with a row. What comes after them is cut and kept like a torn tail.
    pub fn keep<D: Disk>(&mut self, disk: &D, end: u64) -> Result<(), StoreError> {
        let LedgerContent::Present { whole, torn } = &mut self.found else { return Ok(()) };
        if end < *whole {
            let mut tail = disk.read_at(&self.path, end, (*whole - end) as usize)?;
            tail.append(torn);
            (*whole, *torn) = (end, tail);
        }
        Ok(())
    }

    /// Whether opening it will cut something off.
    pub fn is_torn(&self) -> bool {
        matches!(&self.found, LedgerContent::Present { whole, torn } if !torn.is_empty() || *whole == 0)
    }
}

/// Looks at a ledger. What is there is made durable first, so that nothing is trusted that a power cut could still take back.
pub fn inspect<D: Disk>(
    disk: &D,
    path: &Path,
    header: &'static str,
) -> Result<Inspection, StoreError> {
    inspect_behind(disk, path, header, 0)
}

/// The same where the first `proved` bytes are known to be rows without a hole: only what follows is looked through.
pub fn inspect_behind<D: Disk>(
    disk: &D,
    path: &Path,
    header: &'static str,
    proved: u64,
) -> Result<Inspection, StoreError> {
    let mut found = LedgerContent::Absent;
    if disk.len(path)?.is_some() {
        disk.sync(path)?;
        disk.sync_dir(parent(path))?;
        if let Some(len) = disk.len(path)? {
            found = look(disk, path, header, (proved, len))?;
        }
    }
    Ok(Inspection { path: path.to_owned(), header, found })
}

fn look<D: Disk>(
    disk: &D,
    path: &Path,
    header: &str,
    (proved, len): (u64, u64),
) -> Result<LedgerContent, StoreError> {
    let start = disk.read_at(path, 0, header.len() + 1)?;
    if start.strip_suffix(b"\n") != Some(header.as_bytes()) {
        return torn_at_birth(disk, path, header, &start);
    }
    let (mut end, before) = last_line(disk, path, len)?;
    // A whole last line with a hole in it was never synced either.
    if before > 0 && disk.read_at(path, before, (end - before) as usize)?.contains(&0) {
        end = before;
    }
    if let Some(line) = hole(disk, path, proved, end)? {
        return Err(StoreError::damaged(path, line, "NUL bytes before the last line"));
    }
    let torn = disk.read_at(path, end, len.saturating_sub(end) as usize)?;
    Ok(LedgerContent::Present { whole: end, torn })
}

/// A file without its header: one that was torn while it was created, or a foreign one.
fn torn_at_birth<D: Disk>(
    disk: &D,
    path: &Path,
    header: &str,
    start: &[u8],
) -> Result<LedgerContent, StoreError> {
    let written = start.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if written <= header.len() && header.as_bytes().starts_with(&start[..written]) {
        let torn = disk.read(path)?.unwrap_or_default();
        if torn[written.min(torn.len())..].iter().all(|byte| *byte == 0) {
            return Ok(LedgerContent::Present { whole: 0, torn });
        }
    }
    let bytes = disk.read_at(path, 0, TAIL as usize)?;
    Err(foreign(path, header, &bytes))
}

/// The error of a file that begins with another header.
pub fn foreign(path: &Path, header: &str, bytes: &[u8]) -> StoreError {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line: String = String::from_utf8_lossy(line).escape_debug().take(200).collect();
    StoreError::damaged(path, 1, format!("foreign header `{line}`, expected `{header}`"))
}

/// Where the last whole line of the first `len` bytes ends, and where it begins; 0 for a line that is not there.
pub fn last_line<D: Disk>(disk: &D, path: &Path, len: u64) -> Result<(u64, u64), StoreError> {
    let mut room = TAIL;
    loop {
        let from = len.saturating_sub(room);
        let bytes = disk.read_at(path, from, (len - from) as usize)?;
        let mut ends = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        let mut next = || ends.next().map(|(at, _)| from + at as u64 + 1);
        match (next(), next()) {
            (Some(end), Some(before)) => return Ok((end, before)),
            (end, before) if from == 0 => return Ok((end.unwrap_or(0), before.unwrap_or(0))),
            _ => room = room.saturating_mul(8),
        }
    }
}

/// The last whole row of the first `len` bytes, without its newline, and where it ends; `None` where there is nothing but a header.
pub fn last_row<D: Disk>(
    disk: &D,
    path: &Path,
    len: u64,
) -> Result<Option<(u64, String)>, StoreError> {
    let (end, start) = last_line(disk, path, len)?;
    if start == 0 {
        return Ok(None);
    }
    let row = disk.read_at(path, start, (end - start) as usize)?;
    Ok(Some((end, String::from_utf8_lossy(&row).trim_end_matches('\n').to_owned())))
}

/// The line of the first NUL byte from `from` to `end`.
#[expect(clippy::naive_bytecount, reason = "only a damaged file is counted")]
fn hole<D: Disk>(disk: &D, path: &Path, from: u64, end: u64) -> Result<Option<u64>, StoreError> {
    let piece = |at: u64| disk.read_at(path, at, PIECE.min((end - at) as usize));
    let newlines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    let mut at = from;
    while at < end {
        let bytes = piece(at)?;
        if let Some(nul) = bytes.iter().position(|byte| *byte == 0) {
            let (mut line, mut counted) = (newlines(&bytes[..nul]) + 1, 0);
            while counted < at {
                let before = piece(counted)?;
                let many = before.len().min((at - counted) as usize);
                line += newlines(&before[..many]);
                counted += many.max(1) as u64;
            }
            return Ok(Some(line));
        }
        at += bytes.len().max(1) as u64;
    }
    Ok(None)
}

/// What was cut off at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// How many bytes.
    pub bytes: usize,
    /// Where they are kept; `None` when there were none to keep.
    pub kept: Option<PathBuf>,
}

/// An append-only file, open for writing. The caller holds the lock of its folder.
#[derive(Debug)]
pub struct Ledger<'d, D: Disk> {
    disk: &'d D,
    path: PathBuf,
    len: u64,
    poisoned: Option<String>,
    left: FileAsLeft,
}

/// A file as its writer left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAsLeft {
    /// Its stamp; `None` where the file system has none.
    pub stamp: Option<FileStamp>,
    /// How often something else had touched it before the next row was appended.
    pub touched: u64,
}

/// Opens an inspected ledger: creates it with its header, or cuts a torn tail after keeping the cut bytes. The folder must exist.
pub fn open<'d, D: Disk>(
    disk: &'d D,
    inspection: &Inspection,
    quarantine: &Quarantine,
) -> Result<(Ledger<'d, D>, Option<CutOff>), StoreError> {
    let Inspection { path, header, found } = inspection;
    let (whole, torn): (u64, &[u8]) = match found {
        LedgerContent::Absent => (0, &[]),
        LedgerContent::Present { whole, torn } => (*whole, torn),
    };
    let kept = if torn.is_empty() { None } else { Some(keep(disk, quarantine, torn)?) };
    let len = if whole == 0 {
        let line = format!("{header}\n");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        disk.clean_temps_of(parent(path), &format!("{name}."))?;
        disk.replace(path, line.as_bytes())?;
        line.len() as u64
    } else {
        if !torn.is_empty() {
            disk.truncate(path, whole)?;
            disk.sync(path)?;
        }
        whole
    };
    let cut = inspection.is_torn().then_some(CutOff { bytes: torn.len(), kept });
    let left = FileAsLeft { stamp: disk.stamp(path), touched: 0 };
    Ok((Ledger { disk, path: path.clone(), len, poisoned: None, left }, cut))
}

fn keep<D: Disk>(disk: &D, quarantine: &Quarantine, torn: &[u8]) -> Result<PathBuf, StoreError> {
    disk.create_dir_all(quarantine.dir())?;
    // A crash in here leaves the tail torn, so that the next start comes by again.
    disk.clean_temps_of(quarantine.dir(), quarantine.prefix())?;
    for n in 0..QUARANTINE_TRIES {
        let path = quarantine.path(n);
        if disk.len(&path)?.is_none() {
            disk.replace(&path, torn)?;
            return Ok(path);
        }
    }
    let what = "a free name for the torn tail".to_owned();
    Err(StoreError::Missing { path: quarantine.path(QUARANTINE_TRIES), what })
}

impl<D: Disk> Ledger<'_, D> {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len
    }

    /// How the file was left after the last row.
    pub fn left(&self) -> FileAsLeft {
        self.left
    }

    /// Whether an earlier failure forbids further writes.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.is_some()
    }

    /// Appends whole rows in one write. A write that fails is rolled back; a sync that fails is final.
    pub fn append(&mut self, rows: &[u8], sync: bool) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        if !rows.is_empty() {
            assert!(rows.ends_with(b"\n"), "rows end with their newline");
            // As close to the write as can be: of what another program does between the two looks, an edit that leaves the length alone
            // is taken for ours.
            self.left.touched += u64::from(self.disk.stamp(&self.path) != self.left.stamp);
            let done = self.disk.append(&self.path, rows);
            if done.is_err() {
                self.roll_back();
            }
            let before = std::mem::replace(&mut self.left.stamp, self.disk.stamp(&self.path));
            done?;
            self.len += rows.len() as u64;
            let is_ours = match (before, self.left.stamp) {
                (Some(before), Some(now)) => now.is_longer(&before, rows.len() as u64),
                (None, _) | (_, None) => true,
            };
            self.left.touched += u64::from(!is_ours);
        }
        if sync { self.sync() } else { Ok(()) }
    }

    /// Makes everything appended so far durable. A failure is final: what is on disk is unknown, and a second try may wrongly succeed.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        self.disk.sync(&self.path).map_err(|error| {
            self.poisoned = Some(error.to_string());
            error.into()
        })
    }

    fn roll_back(&mut self) {
        let undone =
            self.disk.truncate(&self.path, self.len).and_then(|()| self.disk.sync(&self.path));
        if let Err(error) = undone {
            self.poisoned = Some(error.to_string());
        }
    }

    fn refuse_if_poisoned(&self) -> Result<(), StoreError> {
        match &self.poisoned {
            Some(reason) => {
                Err(StoreError::Poisoned { path: self.path.clone(), reason: reason.clone() })
            }
            None => Ok(()),
        }
    }
}

/// A slot that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the row for ts_ms {offered} does not come after the last one written, {last}")]
pub struct NotLater {
    /// The refused slot.
    pub offered: SlotTs,
    /// The last slot written.
    pub last: SlotTs,
}

/// Remembers the last slot written and lets only later ones pass.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    last: Option<SlotTs>,
}

impl Monotonic {
    /// After `last`, or from the beginning.
    pub const fn after(last: Option<SlotTs>) -> Self {
        Self { last }
    }

    /// The last slot that passed.
    pub const fn last(&self) -> Option<SlotTs> {
        self.last
    }

    /// Lets `slot` pass when it is later than every slot before it.
    pub fn admit(&mut self, slot: SlotTs) -> Result<(), NotLater> {
        match self.last {
            Some(last) if slot.ts_ms() <= last.ts_ms() => Err(NotLater { offered: slot, last }),
            Some(_) | None => {
                self.last = Some(slot);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::time::Timeframe, store::disk::RealDisk};

    const HEADER: &str = "a,b";

    fn look(bytes: &[u8]) -> Result<(usize, usize), String> {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let disk = RealDisk::new(temp.path());
        disk.replace(&path, bytes).unwrap();
        let relative = |error: StoreError| {
            error.to_string().replace(&format!("{}/", temp.path().display()), "")
        };
        match inspect(&disk, &path, HEADER).map_err(relative)?.found() {
            LedgerContent::Present { whole, torn } => Ok((*whole as usize, torn.len())),
            LedgerContent::Absent => unreachable!(),
        }
    }

    #[test]
    fn a_file_torn_while_it_was_created_counts_as_empty() {
        for bytes in [&b""[..], b"\0\0", b"a", b"a,b", b"a,\0\0", b"a,b\0"] {
            assert_eq!(look(bytes), Ok((0, bytes.len())), "{bytes:?}");
        }
    }

    #[test]
    fn a_torn_tail_is_told_from_whole_rows() {
        for (bytes, whole) in [
            (&b"a,b\n"[..], 4),
            (b"a,b\n1,2\n", 8),
            (b"a,b\n1,2\n3", 8),
            (b"a,b\n1,2\n\0\0\0", 8),
            (b"a,b\n1,2\n3,\0\0", 8),
            (b"a,b\n1,2\n3,\0\n", 8),
            (b"a,b\n1,\0\n", 4),
            (b"a,b\n\0\0\n", 4),
        ] {
            assert_eq!(look(bytes), Ok((whole, bytes.len() - whole)), "{bytes:?}");
        }
    }

    #[test]
    fn damage_is_told_from_a_torn_tail() {
        for (bytes, reason) in [
            (&b"x,y\n1,2\n"[..], "f:1: foreign header `x,y`, expected `a,b`"),
            (b"a,bc\n", "f:1: foreign header `a,bc`, expected `a,b`"),
            (b"\n", "f:1: foreign header ``, expected `a,b`"),
            (b"\0\0\n1,2\n", "f:1: foreign header `\\0\\0`, expected `a,b`"),
            (b"a,b\n1,\0\n3,4\n", "f:2: NUL bytes before the last line"),
            (b"a,b\n1,\0\n3,4\n5", "f:2: NUL bytes before the last line"),
        ] {
            assert_eq!(look(bytes), Err(reason.to_owned()), "{bytes:?}");
        }
    }

    #[test]
    fn c4_a_slot_that_is_not_later_never_passes() {
        let first = Timeframe::M5.slot(600_000).unwrap();
        let mut gate = Monotonic::after(None);
        assert_eq!(gate.admit(first), Ok(()));
        for slot in [first, first.plus(-1)] {
            assert_eq!(gate.admit(slot), Err(NotLater { offered: slot, last: first }));
        }
        assert_eq!(gate.admit(first.plus(2)), Ok(()));
        assert_eq!(gate.last(), Some(first.plus(2)));
    }
}
