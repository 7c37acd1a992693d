//! The result of a check, and all of them as a table and a document.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    jobs::checks::{self, Shown},
    manifest::PreflightPart,
    model::probe::Verdict,
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.preflight/1";
/// Letters of the longest level.
const LEVEL_WIDTH: usize = 7;
/// Most names that one check tells; the rest is counted.
const NAMES_MAX: usize = 10;

/// How a check went. The later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not made, or nothing to judge.
    Skipped,
    /// As it must be.
    Ok,
    /// Somebody should look.
    Warn,
    /// Neither boot nor deploy like this.
    Fail,
}

impl Level {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// The part it belongs to.
    pub part: PreflightPart,
    /// What was checked.
    pub name: String,
    /// How it went.
    pub level: Level,
    /// What it is judged by.
    pub limit: String,
    /// What was found.
    pub value: String,
    /// A command that helps.
    pub next: Option<String>,
    /// What a card proved, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Box<Verdict>>,
}

impl Checked {
    /// A check without advice.
    pub fn new(
        part: PreflightPart,
        name: impl Into<String>,
        level: Level,
        limit: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let (name, limit, value) = (name.into(), limit.into(), value.into());
        Self { part, name, level, limit, value, next: None, probe: None }
    }

    /// A check that was not made.
    pub fn skipped(part: PreflightPart, why: impl Into<String>) -> Self {
        Self::new(part, part.name(), Level::Skipped, "", why)
    }

    /// With the command that helps where it did not go well.
    pub fn next(mut self, command: impl Into<String>) -> Self {
        if self.level >= Level::Warn {
            self.next = Some(command.into());
        }
        self
    }

    /// No worse than a warning.
    pub fn softened(mut self) -> Self {
        self.level = self.level.min(Level::Warn);
        self
    }
}

/// The first names of many, and how many there are.
pub fn some_of(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if let more @ 1.. = names.len().saturating_sub(NAMES_MAX) {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// All checks of a machine: `preflight.json`.
#[derive(Debug, Serialize)]
pub struct Results {
    schema: &'static str,
    /// The folder looked at.
    pub root: String,
    /// The worst level.
    pub level: Level,
    /// In the order they were made.
    pub checks: Vec<Checked>,
}

impl Results {
    /// The worst check decides.
    pub fn new(root: String, checks: Vec<Checked>) -> Self {
        let level = checks.iter().map(|check| check.level).fold(Level::Ok, Level::max);
        Self { schema: SCHEMA, root, level, checks }
    }

    /// One line.
    pub fn summary(&self) -> String {
        let names = |level: Level| -> Vec<&str> {
            let of = self.checks.iter().filter(|check| check.level == level);
            of.map(|check| check.name.as_str()).collect()
        };
        let (failed, warned) = (names(Level::Fail), names(Level::Warn));
        checks::summary(self.level.name(), self.checks.len(), &failed, &warned)
    }

    /// One line per check in columns, and its advice below it.
    pub fn text(&self) -> String {
        let rows = self.checks.iter().map(|check| Shown {
            name: &check.name,
            level: check.level.name(),
            limit: &check.limit,
            found: &check.value,
            next: check.next.as_deref(),
        });
        let table = checks::table(LEVEL_WIDTH, &rows.collect::<Vec<_>>());
        format!("{}: {}\n\n{table}", self.root, self.summary())
    }
}
