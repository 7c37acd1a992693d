//! Reading a log that is being written, cut, or put aside for a new one, line by line.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::store::bounded_log::before;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// A line longer than this is handed on in pieces.
const LINE_MAX: usize = 1 << 20;

/// A log with its place in it.
#[derive(Debug)]
pub struct LogFollow {
    path: PathBuf,
    open: Option<Part>,
    rest: Vec<u8>,
}

#[derive(Debug)]
struct Part {
    file: File,
    identity: (u64, u64),
    read: u64,
}

impl Part {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let meta = file.metadata()?;
        Ok(Some(Self { file, identity: (meta.dev(), meta.ino()), read: 0 }))
    }
}

/// Takes a line without its end; false when no more are wanted.
pub type FollowTake<'a> = dyn FnMut(&str) -> bool + 'a;

impl LogFollow {
    /// From the beginning of what is kept: the file before the present one comes first.
    pub fn new(path: &Path) -> io::Result<Self> {
        let mut follow = Self { path: path.to_owned(), open: None, rest: Vec::new() };
        // The present file first: if it is put aside between the two looks, it is the file before then.
        let present = Part::open(path)?;
        let earlier = Part::open(&before(path))?;
        follow.open = earlier.or(present);
        Ok(follow)
    }

    /// Whether there is nothing to read at all, yet.
    pub fn is_absent(&self) -> bool {
        self.open.is_none()
    }

    /// Hands on every whole line written since the last time. False when the taker wants no more.
    pub fn lines(&mut self, take: &mut FollowTake<'_>) -> io::Result<bool> {
        loop {
            if self.open.is_none() {
                self.open = Part::open(&self.path)?;
            }
            if !self.drain(take)? {
                return Ok(false);
            }
            // Only what is complete is left behind: a file that has a successor is written to no more.
            let Some(next) = self.next_part()? else { return Ok(true) };
            if !self.drain(take)? {
                return Ok(false);
            }
            self.open = Some(next);
        }
    }

    /// Hands on what is left without an end of line.
    pub fn last(&mut self, take: &mut FollowTake<'_>) -> bool {
        let rest = std::mem::take(&mut self.rest);
        rest.is_empty() || take(&String::from_utf8_lossy(&rest))
    }

    /// The file that follows the open one, when there is one.
    fn next_part(&self) -> io::Result<Option<Part>> {
        let Some(open) = &self.open else { return Ok(None) };
        let Some(present) = Part::open(&self.path)? else { return Ok(None) };
        if present.identity == open.identity {
            return Ok(None);
        }
        // Put aside twice since the last look: the file before the present one has not been read.
        let earlier = Part::open(&before(&self.path))?;
        let unread =
            earlier.filter(|part| ![open.identity, present.identity].contains(&part.identity));
        Ok(Some(unread.unwrap_or(present)))
    }

    fn drain(&mut self, take: &mut FollowTake<'_>) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(true) };
        if open.file.metadata()?.len() < open.read {
            // It was cut: what is there now is new.
            open.file.seek(SeekFrom::Start(0))?;
            open.read = 0;
            self.rest.clear();
        }
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = open.file.read(&mut chunk)?;
            if n == 0 {
                return Ok(true);
            }
            open.read += n as u64;
            self.rest.extend_from_slice(&chunk[..n]);
            let mut done = 0;
            while let Some(end) = self.rest[done..].iter().position(|byte| *byte == b'\n') {
                if !take(&String::from_utf8_lossy(&self.rest[done..done + end])) {
                    return Ok(false);
                }
                done += end + 1;
            }
            self.rest.drain(..done);
            if self.rest.len() > LINE_MAX {
                let piece = std::mem::take(&mut self.rest);
                if !take(&String::from_utf8_lossy(&piece)) {
                    return Ok(false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::bounded_log::BoundedLog;

    fn taken(follow: &mut LogFollow) -> Vec<String> {
        let mut all = Vec::new();
        let mut take = |line: &str| {
            all.push(line.to_owned());
            true
        };
        assert!(follow.lines(&mut take).unwrap());
        all
    }

    #[test]
    fn every_line_is_seen_once_although_the_log_is_put_aside_twice_between_two_looks() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("log");
        let mut follow = LogFollow::new(&path).unwrap();
        assert!(follow.is_absent());
        assert!(taken(&mut follow).is_empty());
        let log = BoundedLog::open(&path, 200).unwrap();
        let (mut next, mut seen) = (0, Vec::new());
        for lines in [1, 3, 11, 15, 2, 19, 1, 40] {
            for _ in 0..lines {
                log.append(format!("line {next:04}\n").as_bytes()).unwrap();
                next += 1;
            }
            seen.extend(taken(&mut follow));
        }
        let all: Vec<String> = (0..next).map(|n| format!("line {n:04}")).collect();
        // Of forty lines at once only the end is kept.
        assert_eq!(seen[..52], all[..52]);
        assert!(seen.is_sorted() && seen.ends_with(&all[all.len() - 11..]), "{seen:?}");
        let mut anew = LogFollow::new(&path).unwrap();
        assert!(taken(&mut anew).ends_with(&all[all.len() - 11..]));
    }

    #[test]
    fn half_a_line_waits_for_its_end_and_a_cut_file_begins_anew() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("log");
        let log = BoundedLog::open(&path, 10_000).unwrap();
        let mut follow = LogFollow::new(&path).unwrap();
        log.append(b"a\nb").unwrap();
        assert_eq!(taken(&mut follow), ["a"]);
        log.append(b"c\nd").unwrap();
        assert_eq!(taken(&mut follow), ["bc"]);
        let mut rest = Vec::new();
        assert!(follow.last(&mut |line| {
            rest.push(line.to_owned());
            true
        }));
        assert_eq!(rest, ["d"]);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(0).unwrap();
        log.append(b"new\n").unwrap();
        assert_eq!(taken(&mut follow), ["new"]);
    }
}
