//! How a program ended, and what is expected of that.

use std::{os::unix::process::ExitStatusExt as _, process::Output};

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    pub line: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(line: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().or_else(|| output.status.signal().map(|n| 128 + n));
        Self {
            line,
            code: code.unwrap(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// It did well, and warned of nothing.
    pub fn ok(self) -> Self {
        self.warns(&[])
    }

    /// It did well; every warning holds one of these words, and each of them is said.
    pub fn warns(self, listed: &[&str]) -> Self {
        let warnings: Vec<&str> = self.stderr.lines().filter(|line| is_warning(line)).collect();
        let stray = warnings.iter().find(|line| !listed.iter().any(|word| line.contains(word)));
        assert_eq!(stray, None, "{self}");
        for word in listed {
            assert!(warnings.iter().any(|line| line.contains(word)), "no warning `{word}`: {self}");
        }
        self.code(0)
    }

    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// stdout holds all of these.
    pub fn prints(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stdout.contains(word), "stdout lacks `{word}`: {self}");
        }
        self
    }

    /// stderr holds all of these, line breaks of diagnostics undone, and says no error twice.
    pub fn says(self, words: &[&str]) -> Self {
        let lines: Vec<&str> =
            self.stderr.lines().map(|line| line.trim().trim_start_matches("│ ")).collect();
        let text = lines.join(" ");
        for word in words {
            assert!(text.contains(word), "stderr lacks `{word}`: {self}");
        }
        let errors: Vec<&&str> = lines.iter().filter(|line| line.starts_with("error: ")).collect();
        for error in errors {
            let body = error.trim_start_matches("error: ");
            let times = lines.iter().filter(|line| line.contains(body)).count();
            assert_eq!(times, 1, "said {times} times: {self}");
        }
        self
    }

    /// stdout as the one document it must be.
    pub fn json(&self) -> serde_json::Value {
        let parsed: serde_json::Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"));
        assert!(parsed["schema"].is_string() || parsed["$schema"].is_string(), "{self}");
        parsed
    }
}

/// Whether a line of a log is a warning or an error; a loop puts the time before it.
fn is_warning(line: &str) -> bool {
    let timed = line.split_once("Z ").filter(|(time, _)| time.len() == "2026-11-30T03:00:00".len());
    let line = timed.map_or(line, |(_, rest)| rest).trim_start();
    line.starts_with("WARN ") || line.starts_with("ERROR ")
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr } = self;
        write!(f, "\n$ {line}\n{stdout}{stderr}=> {code}\n")
    }
}
