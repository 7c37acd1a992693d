//! The newest lines of a log, and those that follow.

use std::{collections::VecDeque, path::Path, path::PathBuf};

use serde::Serialize;
use serde_json::json;

use super::words::{safe, safe_lines};
use crate::{
    cli::{follow::LogFollow, logs::entry},
    exit::Exit,
    jobs::context::Failure,
};

/// Lines of a log that are shown at first.
const LINES_MAX: usize = 500;
/// Bytes of these lines.
const BYTES_MAX: usize = 200_000;
/// Lines handed on at once.
const AT_ONCE: usize = 2_000;

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// Entries of a log: one document each.
    Entries,
    /// What programs wrote.
    Output,
}

/// One line, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// `warn` and `error` are to be seen.
    pub level: &'static str,
    /// The text.
    pub text: String,
}

impl LogLine {
    fn of(kind: LogKind, line: &str) -> Self {
        match kind {
            LogKind::Output => Self { level: "info", text: safe(line) },
            LogKind::Entries => {
                let level = if line.contains(r#""level":"ERROR""#) {
                    "error"
                } else if line.contains(r#""level":"WARN""#) {
                    "warn"
                } else {
                    "info"
                };
                Self { level, text: safe_lines(&entry(line)) }
            }
        }
    }
}

/// A log that is read, and then followed.
pub struct Log {
    follow: LogFollow,
    kind: LogKind,
    path: PathBuf,
}

/// The newest lines of a file, and how many are before them.
pub struct Newest {
    /// The lines, the oldest first.
    pub lines: Vec<LogLine>,
    /// How many lines are before them.
    pub before: usize,
}

impl Log {
    /// Of a file, which may be absent.
    pub fn new(path: &Path, kind: LogKind) -> Result<Self, Failure> {
        let follow = LogFollow::new(path).map_err(|error| unreadable(path, &error))?;
        Ok(Self { follow, kind, path: path.to_owned() })
    }

    /// The newest lines; a bounded number of bounded length.
    pub fn newest(&mut self) -> Result<Newest, Failure> {
        let mut kept: VecDeque<String> = VecDeque::new();
        let (mut bytes, mut many) = (0, 0);
        let mut take = |line: &str| {
            let line: String = line.chars().take(8 * super::words::TEXT_MAX).collect();
            bytes += line.len();
            many += 1;
            kept.push_back(line);
            while kept.len() > LINES_MAX || (bytes > BYTES_MAX && kept.len() > 1) {
                bytes -= kept.pop_front().map_or(0, |line| line.len());
            }
            true
        };
        self.follow.lines(&mut take).map_err(|error| unreadable(&self.path, &error))?;
        let lines: Vec<LogLine> = kept.iter().map(|line| LogLine::of(self.kind, line)).collect();
        Ok(Newest { before: many - lines.len(), lines })
    }

    /// The lines since the last look, at most so many; `last` also hands on what has no end of line.
    fn more(&mut self, last: bool) -> Vec<LogLine> {
        let (kind, mut lines) = (self.kind, VecDeque::new());
        let mut take = |line: &str| {
            lines.push_back(LogLine::of(kind, line));
            if lines.len() > AT_ONCE {
                lines.pop_front();
            }
            true
        };
        // A file that cannot be read any more has no new lines.
        let _ = self.follow.lines(&mut take);
        if last {
            self.follow.last(&mut take);
        }
        lines.into()
    }

    /// What a stream sends: the newest lines first, then each new one, until `is_over` said so before the last look.
    pub fn stream(
        mut self,
        mut is_over: impl FnMut() -> bool + Send + 'static,
    ) -> crate::serve::answer::LiveSource {
        let (mut has_begun, mut has_ended) = (false, false);
        Box::new(move || {
            if has_ended {
                return None;
            }
            let over = is_over();
            let mut out = String::new();
            if !has_begun {
                has_begun = true;
                let newest = self.newest().ok()?;
                out.push_str(&event(
                    "begin",
                    &json!({ "before": newest.before, "lines": newest.lines }),
                ));
            }
            let lines = self.more(over);
            if !lines.is_empty() {
                out.push_str(&event("lines", &json!({ "lines": lines })));
            }
            if over {
                has_ended = true;
                out.push_str(&event("end", &json!({})));
            }
            Some(out.into_bytes())
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Io, format!("read {}: {error}", path.display()))
}

/// One event of a stream.
pub fn event(name: &str, document: &serde_json::Value) -> String {
    format!("event: {name}\ndata: {document}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test writes what is followed")]
    fn a_stream_begins_with_the_newest_lines_and_ends_with_the_run() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("output.log");
        let long = "y".repeat(3 << 20);
        let lines: Vec<String> = (0..2_000).map(|n| format!("line {n}")).collect();
        std::fs::write(&path, format!("{}\n{long}\n<script>\u{1b}[2Jx\n", lines.join("\n")))
            .unwrap();
        let newest = Log::new(&path, LogKind::Output).unwrap().newest().unwrap();
        assert!(newest.lines.len() <= LINES_MAX && newest.before >= 1_500);
        assert_eq!(newest.lines.last().unwrap().text, "<script>\u{fffd}[2Jx");
        let bytes: usize = newest.lines.iter().map(|line| line.text.len()).sum();
        assert!(bytes < 2 * BYTES_MAX, "{bytes}");

        let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&over);
        let log = Log::new(&path, LogKind::Output).unwrap();
        let mut stream = log.stream(move || seen.load(std::sync::atomic::Ordering::Relaxed));
        let mut next = || stream().map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(next().unwrap().starts_with("event: begin\ndata: {\"before\":"));
        assert_eq!(next().unwrap(), "");
        std::fs::write(&path, "other\nhalf").unwrap();
        assert!(next().unwrap().contains("\"text\":\"other\""));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let last = next().unwrap();
        assert!(
            last.contains("\"text\":\"half\"") && last.ends_with("event: end\ndata: {}\n\n"),
            "{last}"
        );
        assert_eq!(next(), None);
    }

    #[test]
    fn an_entry_has_its_level() {
        let line = r#"{"timestamp":"2026-03-01T00:00:00Z","level":"WARN","message":"late"}"#;
        let shown = LogLine::of(LogKind::Entries, line);
        assert_eq!(
            (shown.level, shown.text.as_str()),
            ("warn", "2026-03-01T00:00:00Z  WARN   late")
        );
        assert_eq!(LogLine::of(LogKind::Entries, "{half").text, "{half");
    }
}
