//! Reads what was appended to a ledger since the last look, in whole lines. A ledger only grows; another one in its place is
//! read from its beginning.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// Most bytes read at once; a longer line is none of ours.
const CHUNK: u64 = 1 << 20;

/// A place in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follow {
    /// Which file it is: device and number.
    file: Option<(u64, u64)>,
    offset: u64,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowStep {
    /// The file is the one of the last look.
    Same,
    /// There is no file, or another one: what was counted before is not in it.
    Anew,
}

impl Follow {
    /// Gives every line that is new to `take`, after `begin` was told whether they continue the ones before.
    pub fn look(
        &mut self,
        path: &Path,
        begin: &mut dyn FnMut(FollowStep),
        take: &mut dyn FnMut(&str),
    ) -> io::Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                *self = Self::default();
                begin(FollowStep::Anew);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let meta = file.metadata()?;
        let this = Some((meta.dev(), meta.ino()));
        if self.file == this && meta.len() >= self.offset {
            begin(FollowStep::Same);
        } else {
            *self = Self { file: this, offset: 0 };
            begin(FollowStep::Anew);
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        loop {
            let room = CHUNK.saturating_sub(bytes.len() as u64);
            let read = (&file).take(room).read_to_end(&mut bytes)?;
            // What stands behind the last newline is not written yet.
            let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
            for line in bytes[..last].split(|byte| *byte == b'\n') {
                take(&String::from_utf8_lossy(line));
            }
            self.offset += last as u64 + 1;
            bytes.drain(..=last);
            if (read as u64) < room {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes what is followed")]
    fn every_line_comes_once_and_only_when_it_is_whole() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let mut follow = Follow::default();
        let mut look = || {
            let (mut lines, mut anew) = (Vec::new(), false);
            let mut begin = |look| anew = look == FollowStep::Anew;
            follow.look(&path, &mut begin, &mut |line| lines.push(line.to_owned())).unwrap();
            (anew, lines.join(" "))
        };
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        assert_eq!(look(), (true, String::new()));
        write("a\nb\nha");
        assert_eq!(look(), (true, "a b".to_owned()));
        assert_eq!(look(), (false, String::new()));
        write("a\nb\nhalf\nc\n");
        assert_eq!(look(), (false, "half c".to_owned()));
        write("x\n");
        assert_eq!(look(), (true, "x".to_owned()), "shorter than what was read: another ledger");
        let long = (0..300_000).map(|n| n.to_string()).collect::<Vec<_>>().join("\n") + "\n";
        write(&format!("x\n{long}"));
        assert_eq!(look().1.split(' ').count(), 300_000, "more than is read at once");
    }
}
