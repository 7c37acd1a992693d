//! Append-only CSV files: look without touching, cut a torn tail, append in one write, and stop for good when a sync fails.

use std::path::{Path, PathBuf};

use super::{
    disk::{Disk, parent},
    error::StoreError,
    layout::Quarantine,
};

/// Names tried for one quarantined tail.
const QUARANTINE_TRIES: u32 = 10_000;

/// What stands in a ledger, before anything is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No file.
    Absent,
    /// A file.
    Present {
        /// Bytes up to and including the last good newline; empty when the file was torn while it was created.
        whole: Vec<u8>,
        /// Bytes after it.
        torn: Vec<u8>,
    },
}

/// A ledger that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    path: PathBuf,
    header: &'static str,
    found: Found,
}

impl Inspection {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// The bytes that count: header and whole rows. Empty when there are none.
    pub fn whole(&self) -> &[u8] {
        match &self.found {
            Found::Absent => &[],
            Found::Present { whole, torn: _ } => whole,
        }
    }

    /// Lets only the first rows count. What comes after them is cut and kept like a torn tail.
    pub fn keep_rows(&mut self, rows: usize) {
        let Found::Present { whole, torn } = &mut self.found else { return };
        let newlines = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        // The first newline ends the header.
        if let Some(end) = newlines.map(|(at, _)| at + 1).nth(rows) {
            let mut tail = whole.split_off(end);
            tail.append(torn);
            *torn = tail;
        }
    }

    /// Whether opening it will cut something off.
    pub fn is_torn(&self) -> bool {
        matches!(&self.found, Found::Present { whole, torn } if !torn.is_empty() || whole.is_empty())
    }
}

/// Reads a ledger. What is read is made durable first, so that nothing is trusted that a power cut could still take back.
pub fn inspect<D: Disk>(
    disk: &D,
    path: &Path,
    header: &'static str,
) -> Result<Inspection, StoreError> {
    let found = if disk.len(path)?.is_some() {
        disk.sync(path)?;
        disk.sync_dir(parent(path))?;
        match disk.read(path)? {
            Some(bytes) => split(path, header, bytes)?,
            None => Found::Absent,
        }
    } else {
        Found::Absent
    };
    Ok(Inspection { path: path.to_owned(), header, found })
}

fn split(path: &Path, header: &str, mut bytes: Vec<u8>) -> Result<Found, StoreError> {
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let head = header.as_bytes();
    if written <= head.len() && head.starts_with(&bytes[..written]) {
        return Ok(Found::Present { whole: Vec::new(), torn: bytes });
    }
    if !bytes.starts_with(head) || bytes[head.len()] != b'\n' {
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line: String = String::from_utf8_lossy(line).escape_debug().take(200).collect();
        let reason = format!("foreign header `{line}`, expected `{header}`");
        return Err(StoreError::damaged(path, 1, reason));
    }
    let mut end = line_end(&bytes);
    // A whole last line with a hole in it was never synced either.
    let before = line_end(&bytes[..end - 1]);
    if before > 0 && bytes[before..end].contains(&0) {
        end = before;
    }
    if let Some(at) = bytes[..end].iter().position(|byte| *byte == 0) {
        let line = bytes[..at].split(|byte| *byte == b'\n').count() as u64;
        return Err(StoreError::damaged(path, line, "NUL bytes before the last line"));
    }
    let torn = bytes.split_off(end);
    Ok(Found::Present { whole: bytes, torn })
}

/// Length up to and including the last newline.
fn line_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// What was cut off at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
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
}

/// Opens an inspected ledger: creates it with its header, or cuts a torn tail after keeping the cut bytes. The folder must exist.
pub fn open<'d, D: Disk>(
    disk: &'d D,
    inspection: &Inspection,
    quarantine: &Quarantine,
) -> Result<(Ledger<'d, D>, Option<Cut>), StoreError> {
    let Inspection { path, header, found } = inspection;
    let (whole, torn): (&[u8], &[u8]) = match found {
        Found::Absent => (&[], &[]),
        Found::Present { whole, torn } => (whole, torn),
    };
    let kept = if torn.is_empty() { None } else { Some(keep(disk, quarantine, torn)?) };
    let len = if whole.is_empty() {
        let line = format!("{header}\n");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        disk.clean_temps_of(parent(path), &format!("{name}."))?;
        disk.replace(path, line.as_bytes())?;
        line.len() as u64
    } else {
        if !torn.is_empty() {
            disk.truncate(path, whole.len() as u64)?;
            disk.sync(path)?;
        }
        whole.len() as u64
    };
    let cut = inspection.is_torn().then_some(Cut { bytes: torn.len(), kept });
    Ok((Ledger { disk, path: path.clone(), len, poisoned: None }, cut))
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
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len
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
            if let Err(error) = self.disk.append(&self.path, rows) {
                self.roll_back();
                return Err(error.into());
            }
            self.len += rows.len() as u64;
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "a,b";

    fn look(bytes: &[u8]) -> Result<(usize, usize), String> {
        match split(Path::new("f"), HEADER, bytes.to_vec()).map_err(|e| e.to_string())? {
            Found::Present { whole, torn } => Ok((whole.len(), torn.len())),
            Found::Absent => unreachable!(),
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
}
