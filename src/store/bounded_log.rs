//! A log that does not grow without end: when the present file is full it becomes the one before, and a new one begins.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    disk::{Disk, DiskResult, cut_to_end, open_log, rotate},
    lines::read_end,
};

/// The file before the present one.
pub fn before(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".1");
    path.with_file_name(name)
}

/// A log whose two files together hold at most so many bytes, and one line more.
#[derive(Debug)]
pub struct BoundedLog {
    path: PathBuf,
    half: u64,
    present: Mutex<Present>,
}

#[derive(Debug)]
struct Present {
    file: File,
    written: u64,
}

impl BoundedLog {
    /// Opens it for appending.
    pub fn open(path: &Path, most: u64) -> io::Result<Self> {
        let file = open_log(path)?;
        let written = file.metadata()?.len();
        let present = Mutex::new(Present { file, written });
        Ok(Self { path: path.to_owned(), half: (most / 2).max(1), present })
    }

    /// Appends one entry, whole.
    pub fn append(&self, entry: &[u8]) -> io::Result<()> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let length = entry.len() as u64;
        if present.written > 0 && present.written + length > self.half {
            rotate(&self.path, &before(&self.path))?;
            *present = Present { file: open_log(&self.path)?, written: 0 };
        }
        present.file.write_all(entry)?;
        present.written += length;
        Ok(())
    }
}

/// Opens what another process appends to.
pub fn open_output(path: &Path) -> io::Result<File> {
    open_log(path)
}

/// Keeps the end of a file that others append to within `most` bytes, in this file and the one before it. What is written in the
/// moment between copying and cutting is lost.
pub fn keep_end(path: &Path, most: u64) -> io::Result<()> {
    cut_to_end(path, &before(path), (most / 2).max(1))
}

/// The last whole lines of both files, at most so many bytes; all of them when they are that short.
pub fn last_lines<D: Disk>(disk: &D, path: &Path, most: u64) -> DiskResult<String> {
    let (mut bytes, mut is_cut) = read_end(disk, path, most)?;
    if !is_cut {
        let rest = most.saturating_sub(bytes.len() as u64);
        let (older, is_older_cut) = read_end(disk, &before(path), rest)?;
        (bytes, is_cut) = ([older, bytes].concat(), is_older_cut);
    }
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.split_once('\n').filter(|_| is_cut).map_or(&*text, |(_, whole)| whole);
    Ok(whole.to_owned())
}

/// Writes to a shared log.
#[derive(Debug)]
pub struct BoundedWriter(pub Arc<BoundedLog>);

impl Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    #[test]
    fn the_end_of_what_others_write_is_kept() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("output.log");
        keep_end(&path, 1_000).unwrap();
        let mut output = open_output(&path).unwrap();
        for n in 0..500 {
            output.write_all(format!("line {n}\n").as_bytes()).unwrap();
            keep_end(&path, 1_000).unwrap();
        }
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let all = format!("{}{}", read(&before(&path)), read(&path));
        assert!(all.len() <= 1_020 && all.len() > 400, "{}", all.len());
        let last: Vec<&str> = all.lines().rev().take(40).collect();
        let expected: Vec<String> = (460..500).rev().map(|n| format!("line {n}")).collect();
        assert_eq!(last, expected);
    }

    #[test]
    fn the_end_of_a_long_log_is_kept_in_whole_lines() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("log");
        for from in [0, 500] {
            let log = BoundedLog::open(&path, 1_000).unwrap();
            for n in from..from + 500 {
                log.append(format!("line {n}\n").as_bytes()).unwrap();
            }
        }
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let all = format!("{}{}", read(&before(&path)), read(&path));
        assert!(all.len() <= 1_010, "{}", all.len());
        let disk = RealDisk::new(temp.path());
        assert_eq!(last_lines(&disk, &path, 20).unwrap(), "line 998\nline 999\n");
        let many = last_lines(&disk, &path, 700).unwrap();
        assert_eq!(many.lines().count(), 77, "the file before is read too");
        assert!(many.len() > read(&path).len(), "{}", read(&path).len());
        assert_eq!(last_lines(&disk, &path, 9_999).unwrap(), all);
        assert_eq!(last_lines(&disk, &temp.path().join("none"), 10).unwrap(), "");
        let last: Vec<&str> = all.lines().rev().take(50).collect();
        let expected: Vec<String> = (950..1_000).rev().map(|n| format!("line {n}")).collect();
        assert_eq!(last, expected);
    }
}
