//! A file of lines read piece by piece, so that its length costs no memory.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    disk::{Disk, DiskResult},
    error::StoreError,
    ledger::foreign,
};

/// Bytes read at once.
const READ: usize = 256 << 10;

/// Where the first line of a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineStart {
    /// Bytes before it.
    pub bytes: u64,
    /// Its number in the file, from 1.
    pub line: u64,
}

/// Whole lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// The number of the first one in the file.
    pub first: u64,
}

/// Reads the lines of a file up to a length that was looked at before: what is appended meanwhile is not seen.
#[derive(Debug)]
pub struct LineReader<'d, D: Disk> {
    disk: &'d D,
    path: PathBuf,
    at: LineStart,
    end: u64,
    /// Bytes after `at` that were read already.
    ahead: Vec<u8>,
}

impl<'d, D: Disk> LineReader<'d, D> {
    /// The lines behind the header of the first `end` bytes, which end with a line. A file without a line has none.
    pub fn of_rows(disk: &'d D, path: &Path, header: &str, end: u64) -> Result<Self, StoreError> {
        let head = header.len() as u64 + 1;
        if end > 0 {
            let start = disk.read_at(path, 0, head.min(end) as usize)?;
            if start.strip_suffix(b"\n") != Some(header.as_bytes()) {
                let start = disk.read_at(path, 0, READ.min(end as usize))?;
                return Err(foreign(path, header, &start));
            }
        }
        Ok(Self::from(disk, path, LineStart { bytes: head, line: 2 }, end))
    }

    /// The lines from a place on.
    pub fn from(disk: &'d D, path: &Path, at: LineStart, end: u64) -> Self {
        Self { disk, path: path.to_owned(), at, end, ahead: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next line is.
    pub fn at(&self) -> LineStart {
        self.at
    }

    /// The next lines, at most `most`; `None` at the end.
    pub fn next(&mut self, most: usize) -> Result<Option<Lines>, StoreError> {
        let (mut lines, mut looked) = (0, 0);
        loop {
            let new = &self.ahead[looked..];
            let ends = new.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            if let Some((at, _)) = ends.clone().nth(most - lines - 1) {
                return Ok(Some(self.take(looked + at + 1, most)));
            }
            lines += ends.count();
            looked = self.ahead.len();
            let from = self.at.bytes + looked as u64;
            let left = self.end.saturating_sub(from);
            let more = match READ.min(left as usize) {
                0 => Vec::new(),
                most => self.disk.read_at(&self.path, from, most)?,
            };
            if more.is_empty() {
                let whole = self.ahead.iter().rposition(|byte| *byte == b'\n');
                return Ok(whole.map(|last| self.take(last + 1, lines)));
            }
            self.ahead.extend_from_slice(&more);
        }
    }

    fn take(&mut self, bytes: usize, lines: usize) -> Lines {
        let rest = self.ahead.split_off(bytes);
        let bytes = std::mem::replace(&mut self.ahead, rest);
        let first = self.at.line;
        self.at.bytes += bytes.len() as u64;
        self.at.line += lines as u64;
        Lines { bytes, first }
    }
}

/// The last bytes of a file, and whether there are others before them. A file that is not there is empty.
pub fn read_end<D: Disk>(disk: &D, path: &Path, most: u64) -> DiskResult<(Vec<u8>, bool)> {
    let len = disk.len(path)?.unwrap_or(0);
    let from = len.saturating_sub(most);
    let bytes = match len {
        0 => Vec::new(),
        len => disk.read_at(path, from, (len - from) as usize)?,
    };
    Ok((bytes, from > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    #[test]
    fn pieces_of_any_size_are_the_file() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let path = temp.path().join("f");
        let rows: Vec<String> = (0..50).map(|n| format!("{n},{}\n", "x".repeat(n * 37))).collect();
        let text = format!("a,b\n{}torn", rows.concat());
        disk.replace(&path, text.as_bytes()).unwrap();
        let end = text.len() as u64 - 4;
        for most in [1, 2, 7, 49, 50, 51] {
            let mut reader = LineReader::of_rows(&disk, &path, "a,b", end).unwrap();
            let (mut read, mut line) = (Vec::new(), 2);
            while let Some(lines) = reader.next(most).unwrap() {
                assert_eq!(lines.first, line);
                line += lines.bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
                read.extend_from_slice(&lines.bytes);
            }
            assert_eq!(read, rows.concat().as_bytes());
            assert_eq!(reader.at(), LineStart { bytes: end, line: 52 });
        }
    }

    #[test]
    fn a_foreign_header_is_named_and_a_file_without_a_line_has_no_rows() {
        let temp = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(temp.path());
        let path = temp.path().join("f");
        disk.replace(&path, b"x,y\n1,2\n").unwrap();
        let error = LineReader::of_rows(&disk, &path, "a,b", 8).unwrap_err().to_string();
        assert!(error.ends_with("f:1: foreign header `x,y`, expected `a,b`"), "{error}");
        let mut none = LineReader::of_rows(&disk, &path, "a,b", 0).unwrap();
        assert_eq!(none.next(5).unwrap(), None);
    }
}
