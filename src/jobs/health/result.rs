//! The checks of a box as a table, as a document, and as a line of status.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    domain::time::UtcMs,
    exit::Exit,
    jobs::checks::{self, Shown},
    manifest::{HealthExit, HealthMode},
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.health/1";
/// Letters of the longest level.
const LEVEL_WIDTH: usize = 5;

/// How a check went. The later ones are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not made, or nothing to judge.
    Off,
    /// As it must be.
    Ok,
    /// Somebody should look.
    Warn,
    /// Somebody must act.
    Fail,
}

impl Level {
    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What was checked.
    pub name: &'static str,
    /// How it went.
    pub level: Level,
    /// What it is judged by.
    pub limit: String,
    /// What was found.
    pub value: String,
    /// The command to run next.
    pub next: Option<String>,
}

impl Checked {
    /// A check without advice.
    pub fn new(
        name: &'static str,
        level: Level,
        limit: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Self { name, level, limit: limit.into(), value: value.into(), next: None }
    }

    /// A check that was not made.
    pub fn off(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, Level::Off, "", why)
    }

    /// With the command that helps where it did not go well.
    pub fn next(mut self, command: impl Into<String>) -> Self {
        if self.level >= Level::Warn {
            self.next = Some(command.into());
        }
        self
    }
}

/// The numbers behind the checks, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Figures {
    /// Rows of the ledger.
    pub rows: usize,
    /// Close of the last decided slot, milliseconds UTC.
    pub last_ts_ms: Option<i64>,
    /// How old that is, seconds.
    pub decision_age_s: Option<i64>,
    /// How old the newest stored bar is, seconds.
    pub raw_age_s: Option<i64>,
    /// Slots at the end that lie one timeframe behind the one before and were decided in time.
    pub clean_trailing_cadence_diffs: usize,
    /// Equity after the last slot.
    pub equity: Option<String>,
    /// Risk state after the last slot.
    pub risk_state: Option<&'static str>,
    /// How far the venue's clock is ahead of ours, milliseconds.
    pub skew_ms: Option<i64>,
}

/// All of it: `health.json`.
#[derive(Debug, Serialize)]
pub struct Health {
    schema: &'static str,
    /// Storage namespace.
    pub tag: String,
    /// The series.
    pub series: String,
    /// The instant it is about, milliseconds UTC.
    pub at_ms: i64,
    #[serde(skip)]
    at: UtcMs,
    /// How strictly it was judged.
    pub mode: HealthMode,
    /// The worst level.
    pub level: Level,
    /// The numbers.
    pub figures: Figures,
    /// In the order they were made.
    pub checks: Vec<Checked>,
}

impl Health {
    /// The worst check decides.
    pub fn new(
        (tag, series): (String, String),
        at: UtcMs,
        mode: HealthMode,
        figures: Figures,
        checks: Vec<Checked>,
    ) -> Self {
        let level = checks.iter().map(|check| check.level).fold(Level::Ok, Level::max);
        Self { schema: SCHEMA, tag, series, at_ms: at.get(), at, mode, level, figures, checks }
    }

    /// The exit code by a convention.
    pub fn exit(&self, convention: HealthExit) -> Exit {
        match (convention, self.level, self.mode) {
            (HealthExit::Nagios, Level::Warn, _) => Exit::Foreign(1),
            (HealthExit::Nagios, Level::Fail, _) => Exit::Foreign(2),
            (_, Level::Off | Level::Ok, _) | (_, Level::Warn, HealthMode::Operator) => Exit::Ok,
            (_, Level::Warn | Level::Fail, _) => Exit::Negative,
        }
    }

    /// The first of the worst checks, when one did not go well.
    pub fn worst(&self) -> Option<&Checked> {
        self.checks.iter().find(|check| check.level == self.level && check.level >= Level::Warn)
    }

    /// One line: the level, what the worst check found, and which others did not go well.
    pub fn summary(&self) -> String {
        let mut text = self.level.name().to_owned();
        let Some(worst) = self.worst() else { return text };
        let _ = write!(text, ": {}: {}", worst.name, worst.value);
        let others = self.checks.iter().filter(|c| c.level >= Level::Warn && c.name != worst.name);
        for other in others {
            let _ = write!(text, "; {} {}", other.level.name(), other.name);
        }
        text
    }

    /// The line of status that Nagios shows, with the numbers it draws.
    pub fn nagios(&self) -> String {
        let word = match self.level {
            Level::Off | Level::Ok => "OK",
            Level::Warn => "WARNING",
            Level::Fail => "CRITICAL",
        };
        let of = format!("{} {}", self.tag, self.series);
        // A bar would end the line for whoever reads it.
        let summary = self.summary().replace('|', "/");
        let mut text = format!("{word}: {of}: {summary} |");
        let Figures { decision_age_s, raw_age_s, clean_trailing_cadence_diffs, .. } = self.figures;
        for (name, age_s) in [("decision_age", decision_age_s), ("raw_age", raw_age_s)] {
            if let Some(age_s) = age_s {
                let _ = write!(text, " {name}={age_s}s");
            }
        }
        let _ = writeln!(text, " clean_trailing_cadence_diffs={clean_trailing_cadence_diffs}");
        text
    }

    /// One line per check in columns, and its advice below it.
    pub fn text(&self) -> String {
        let rows = self.checks.iter().map(|check| Shown {
            name: check.name,
            level: check.level.name(),
            limit: &check.limit,
            found: &check.value,
            next: check.next.as_deref(),
        });
        let table = checks::table(LEVEL_WIDTH, &rows.collect::<Vec<_>>());
        let Self { tag, series, at, .. } = self;
        let (level, mode) = (self.level.name(), self.mode.name());
        format!("{tag} {series} at {at}: {level} ({mode})\n\n{table}")
    }
}
