//! A notice: what happened to which job, for programs as a document and for people as two lines.

use crate::{
    domain::time::UtcMs,
    jobs::ledgers::JobSubject,
    manifest::NotifyOn,
    store::runs::{RunRecord, RunState},
};

/// Longest summary, in characters.
const SUMMARY_MAX: usize = 300;

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub event: NotifyOn,
    /// The run it happened to, or the run that ended the trouble.
    pub run: RunRecord,
    /// The tag and the market that it is about.
    pub about: JobSubject,
    /// Since when there is trouble.
    pub since: UtcMs,
    /// Runs in trouble so far.
    pub times: u32,
    /// The machine.
    pub host: String,
    /// This build.
    pub build: String,
}

impl Notice {
    /// Job, event and what it is about, in a few words.
    pub fn title(&self) -> String {
        let about = self.about.words();
        let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
        let (job, host) = (format!("{}{about}", self.run.job), &self.host);
        match self.event {
            NotifyOn::Failed if self.run.state == RunState::Panicked => {
                format!("{job} met a bug on {host}")
            }
            NotifyOn::Failed => format!("{job} failed on {host}"),
            NotifyOn::TimedOut => format!("{job} took too long on {host}"),
            NotifyOn::Missed => format!("{job} was due on {host} and did not run"),
            NotifyOn::Lost => format!("{job} ended on {host} and recorded nothing"),
            NotifyOn::Recovered => format!("{job} is well again on {host}"),
            NotifyOn::Health => format!("{job} says no on {host}"),
        }
    }

    /// What the run said of itself, on one line: the cause.
    pub fn summary(&self) -> String {
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        self.run.summary.chars().map(plain).take(SUMMARY_MAX).collect()
    }

    /// What happened, since when, and what to type next.
    pub fn text(&self) -> String {
        let times = match self.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let summary = self.summary();
        let colon = if summary.is_empty() { "" } else { ": " };
        let line = format!("{}, {times} since {}{colon}{summary}", self.title(), self.since);
        match self.event {
            NotifyOn::Recovered => {
                format!("{}; trouble {times} since {}{colon}{summary}", self.title(), self.since)
            }
            NotifyOn::Missed => format!("{line}\nnext: runner history {} --last 5", self.run.job),
            NotifyOn::Failed | NotifyOn::TimedOut | NotifyOn::Lost | NotifyOn::Health => {
                format!("{line}\nnext: runner logs {}", self.run.run_id)
            }
        }
    }
}
