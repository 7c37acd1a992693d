//! The result of a check, and all of them as a table and a document.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{jobs::checks, manifest::CheckPart};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.box-check/1";

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it must be.
    Ok,
    /// Somebody should look.
    Warn,
    /// Do not trade like this.
    Fail,
}

impl Level {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The part it belongs to.
    pub part: CheckPart,
    /// What was checked.
    pub name: &'static str,
    /// How it went.
    pub level: Level,
    /// What was found.
    pub value: String,
    /// A command that helps.
    pub next: Option<String>,
}

impl Checked {
    /// A check without advice.
    pub fn new(
        part: CheckPart,
        name: &'static str,
        level: Level,
        value: impl Into<String>,
    ) -> Self {
        Self { part, name, level, value: value.into(), next: None }
    }

    /// With the command that helps when it did not go well.
    pub fn next(mut self, command: impl Into<String>) -> Self {
        if self.level != Level::Ok {
            self.next = Some(command.into());
        }
        self
    }
}

/// All checks of a box: `check.json`.
#[derive(Debug, Serialize)]
pub struct Results {
    schema: &'static str,
    /// The series the box trades.
    pub series: String,
    /// The worst level.
    pub level: Level,
    /// In the order they were made.
    pub checks: Vec<Checked>,
}

impl Results {
    /// The worst check decides.
    pub fn new(series: String, checks: Vec<Checked>) -> Self {
        let level = checks.iter().map(|check| check.level).max().unwrap_or(Level::Ok);
        Self { schema: SCHEMA, series, level, checks }
    }

    /// One line.
    pub fn summary(&self) -> String {
        let names = |level: Level| -> Vec<&str> {
            let of = self.checks.iter().filter(|check| check.level == level);
            of.map(|check| check.name).collect()
        };
        let (failed, warned) = (names(Level::Fail), names(Level::Warn));
        checks::summary(self.level.name(), self.checks.len(), &failed, &warned)
    }

    /// One line per check, and its advice below it.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.series, self.summary());
        for check in &self.checks {
            let Checked { part, name, level, value, next } = check;
            let _ = writeln!(text, "{:<9} {name:<18} {:<5} {value}", part.name(), level.name());
            if let Some(next) = next {
                let _ = writeln!(text, "{:<9} {:<18} next: {next}", "", "");
            }
        }
        text
    }
}
