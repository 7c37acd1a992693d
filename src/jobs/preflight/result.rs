//! The result of a check, and all of them as a table and a document.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    jobs::checks::{self, Shown},
    manifest::PreflightPart,
    model::probe::DeviceVerdict,
};

/// Name and version of `preflight.json`.
const SCHEMA: &str = "mjolnir.preflight/1";
/// Letters of the longest level.
const LEVEL_WIDTH: usize = 7;
/// Most names that one check shows; the rest is counted.
const NAMES_MAX: usize = 10;

/// How a check went. The later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckLevel {
    /// Not made, or nothing to judge.
    Skipped,
    Ok,
    /// It works, and a person should look.
    Warn,
    /// Neither boot nor deploy like this.
    Fail,
}

impl CheckLevel {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreflightCheck {
    /// The part it belongs to.
    pub part: PreflightPart,
    pub name: String,
    pub level: CheckLevel,
    /// What it is judged by.
    pub limit: String,
    pub value: String,
    /// A command that helps.
    pub next: Option<String>,
    /// What a card proved, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Box<DeviceVerdict>>,
}

impl PreflightCheck {
    /// A check without advice.
    pub fn new(
        part: PreflightPart,
        name: impl Into<String>,
        level: CheckLevel,
        limit: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let (name, limit, value) = (name.into(), limit.into(), value.into());
        Self { part, name, level, limit, value, next: None, probe: None }
    }

    /// A check that was not made.
    pub fn skipped(part: PreflightPart, why: impl Into<String>) -> Self {
        Self::new(part, part.name(), CheckLevel::Skipped, "", why)
    }

    /// With the command that helps where it did not go well.
    pub fn next(mut self, command: impl Into<String>) -> Self {
        if self.level >= CheckLevel::Warn {
            self.next = Some(command.into());
        }
        self
    }

    /// No worse than a warning.
    pub fn softened(mut self) -> Self {
        self.level = self.level.min(CheckLevel::Warn);
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
pub struct PreflightReport {
    schema: &'static str,
    /// The folder looked at.
    pub root: String,
    /// The worst level.
    pub level: CheckLevel,
    /// In the order they were made.
    pub checks: Vec<PreflightCheck>,
}

impl PreflightReport {
    /// The worst check decides.
    pub fn new(root: String, checks: Vec<PreflightCheck>) -> Self {
        let level = checks.iter().map(|check| check.level).fold(CheckLevel::Ok, CheckLevel::max);
        Self { schema: SCHEMA, root, level, checks }
    }

    pub fn summary(&self) -> String {
        let names = |level: CheckLevel| -> Vec<&str> {
            let of = self.checks.iter().filter(|check| check.level == level);
            of.map(|check| check.name.as_str()).collect()
        };
        let (failed, warned) = (names(CheckLevel::Fail), names(CheckLevel::Warn));
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
