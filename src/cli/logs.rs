//! `runner logs`: the log of a run for people, or what its programs wrote; followed until the run is over.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    args::LogsArgs,
    follow::LogFollow,
    output::{plain, print, print_json, print_on, say},
    records::Records,
    refuse::tell,
};
use crate::{
    clock::nap,
    exit::Exit,
    jobs::context::Failure,
    os::signals::Stop,
    store::runs::{RunFilter, RunRecord},
};

/// Between two looks at a log that is followed.
const LOOK: Duration = Duration::from_millis(200);

/// Shows the log of a run.
pub fn logs(root: &Path, args: &LogsArgs, json: bool) -> Exit {
    let shown = open(root, args).and_then(|source| {
        if args.follow { source.follow(args.lines, json) } else { source.once(args.lines, json) }
    });
    shown.unwrap_or_else(|failure| tell(&failure, json))
}

/// What a file of lines holds.
enum Lines {
    /// Entries of a log.
    Entries,
    /// What programs wrote. Secrets were covered when it was written.
    Output,
}

struct Source {
    records: Records,
    run: RunRecord,
    path: PathBuf,
    lines: Lines,
}

fn open(root: &Path, args: &LogsArgs) -> Result<Source, Failure> {
    let records = Records::open(root)?;
    let run = if let Some(word) = &args.run {
        records.find_that(word, |run| run.state.has_begun())?
    } else {
        let newest = RunFilter { limit: Some(1), ..RunFilter::default() };
        let found = records.list(&newest)?.pop();
        found.ok_or_else(|| Failure::new(Exit::Nothing, "no run is recorded here"))?
    };
    let dir = records.layout.run_dir(&run.run_id);
    let (path, lines) = if args.output {
        (records.layout.run_output(&run.run_id), Lines::Output)
    } else {
        (dir.join("log.jsonl"), Lines::Entries)
    };
    Ok(Source { records, run, path, lines })
}

impl Source {
    fn follow(&self, last: Option<usize>, json: bool) -> Result<Exit, Failure> {
        let stop =
            Stop::listen().map_err(|error| Failure::new(Exit::Bug, format!("signals: {error}")))?;
        let mut follow = self.reader()?;
        let kept = self.tail(&mut follow, last)?;
        let mut show = |line: &str| print_on(&self.shown(line, json));
        if !kept.iter().all(|line| show(line)) {
            return Ok(Exit::Ok);
        }
        loop {
            // Whether it is over is asked first: nothing is written after that.
            let run = self.records.state_of(&self.run.run_id)?;
            if !follow.lines(&mut show).map_err(|error| self.unreadable(&error))? {
                return Ok(Exit::Ok);
            }
            if run.state.is_over() {
                follow.last(&mut show);
                let code = run.exit_code.map_or("none".to_owned(), |code| code.to_string());
                say(&format!("run {} is {}, exit code {code}", run.run_id, run.state.name()));
                return Ok(Exit::Ok);
            }
            if stop.asked() {
                return Ok(stop.signal().map_or(Exit::Ok, Exit::Signal));
            }
            nap(LOOK);
        }
    }

    fn once(&self, last: Option<usize>, json: bool) -> Result<Exit, Failure> {
        let mut follow = self.reader()?;
        if follow.is_absent() {
            let (run, state) = (&self.run.run_id, self.run.state.name());
            let what = match self.lines {
                Lines::Entries => "log",
                Lines::Output => "kept output: only runs of the service have one",
            };
            let message =
                format!("run {run}, which is {state}, has no {what}: {}", self.path.display());
            return Err(Failure::new(Exit::Nothing, message));
        }
        if !json && last.is_none() {
            let mut show = |line: &str| print_on(&self.shown(line, false));
            if follow.lines(&mut show).map_err(|error| self.unreadable(&error))? {
                follow.last(&mut show);
            }
            return Ok(Exit::Ok);
        }
        let mut kept = self.tail(&mut follow, last.or(Some(usize::MAX)))?;
        follow.last(&mut |line| {
            keep(&mut kept, line, last.unwrap_or(usize::MAX));
            true
        });
        if json {
            let lines: Vec<Value> = kept.iter().map(|line| self.value(line)).collect();
            print_json(&json!({
                "schema": "mjolnir.logs/1", "run_id": self.run.run_id.as_str(), "lines": lines,
            }));
        } else {
            print(&kept.iter().map(|line| self.shown(line, false)).collect::<String>());
        }
        Ok(Exit::Ok)
    }

    fn reader(&self) -> Result<LogFollow, Failure> {
        LogFollow::new(&self.path).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &std::io::Error) -> Failure {
        Failure::new(Exit::Io, format!("read {}: {error}", self.path.display()))
    }

    /// The last lines that are there, when only those are wanted.
    fn tail(
        &self,
        follow: &mut LogFollow,
        last: Option<usize>,
    ) -> Result<VecDeque<String>, Failure> {
        let mut kept = VecDeque::new();
        let Some(most) = last else { return Ok(kept) };
        let mut take = |line: &str| {
            keep(&mut kept, line, most);
            true
        };
        follow.lines(&mut take).map_err(|error| self.unreadable(&error))?;
        Ok(kept)
    }

    fn shown(&self, line: &str, json: bool) -> String {
        match (&self.lines, json) {
            (Lines::Entries, true) => format!("{line}\n"),
            (Lines::Entries, false) => format!("{}\n", entry(line)),
            (Lines::Output, true) => format!("{}\n", self.value(line)),
            (Lines::Output, false) => format!("{}\n", plain(line)),
        }
    }

    fn value(&self, line: &str) -> Value {
        match &self.lines {
            Lines::Entries => {
                serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned()))
            }
            Lines::Output => Value::String(line.to_owned()),
        }
    }
}

fn keep(kept: &mut VecDeque<String>, line: &str, most: usize) {
    kept.push_back(line.to_owned());
    if kept.len() > most {
        kept.pop_front();
    }
}

/// What comes before each further line of a message.
const INDENT: &str = "    ";

/// An entry for people: time, level, message, then its other fields; a message of several lines, such as a table, goes on below.
pub fn entry(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else { return plain(line) };
    let mut text = |name: &str| match fields.shift_remove(name) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let (time, level, message) = (text("timestamp"), text("level"), text("message"));
    let mut shown = format!("{time}  {level:5}  {message}");
    for (name, value) in &fields {
        let value = match value {
            Value::String(text) if !text.contains(char::is_whitespace) => text.clone(),
            other => other.to_string(),
        };
        let _ = write!(shown, "  {name}={value}");
    }
    if message.contains('\n') {
        // Its table begins on a line of its own, where its columns are aligned.
        shown = format!("{time}  {level:5}\n{message}");
    }
    let lines: Vec<String> = shown.lines().map(plain).collect();
    lines.join(&format!("\n{INDENT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_time_level_message_and_fields_and_other_lines_are_shown_as_they_are() {
        let line = r#"{"timestamp":"2026-03-01T00:00:00.1Z","level":"WARN","message":"late","by_ms":7,"who":"a b"}"#;
        assert_eq!(entry(line), "2026-03-01T00:00:00.1Z  WARN   late  by_ms=7  who=\"a b\"");
        let table =
            r#"{"timestamp":"2026-03-01T00:00:00.1Z","level":"INFO","message":"a  1\nb  2"}"#;
        assert_eq!(entry(table), "2026-03-01T00:00:00.1Z  INFO \n    a  1\n    b  2");
        assert_eq!(entry("half a li"), "half a li");
        assert_eq!(entry("a\u{1b}[31mb"), "a\u{fffd}[31mb");
    }
}
