//! The checks of a box as a table, as a document, and as a line of status.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    checklist::{CheckItem, Checklist, Drawing, Level},
    domain::time::UtcMs,
    exit::Exit,
    manifest::{HealthExit, HealthMode},
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.health/2";

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
    pub series: String,
    /// The instant it is about, milliseconds UTC.
    pub at_ms: i64,
    #[serde(skip)]
    at: UtcMs,
    /// How strictly it was judged.
    pub mode: HealthMode,
    /// The numbers.
    pub figures: Figures,
    #[serde(flatten)]
    pub list: Checklist,
}

impl Health {
    /// The worst check decides.
    pub fn new(
        (tag, series): (String, String),
        at: UtcMs,
        mode: HealthMode,
        figures: Figures,
        checks: Vec<CheckItem>,
    ) -> Self {
        let list = Checklist::new(checks);
        Self { schema: SCHEMA, tag, series, at_ms: at.get(), at, mode, figures, list }
    }

    /// The exit code by a convention.
    pub fn exit(&self, convention: HealthExit) -> Exit {
        match (convention, self.list.level, self.mode) {
            (HealthExit::Nagios, Level::Warn, _) => Exit::Foreign(1),
            (HealthExit::Nagios, Level::Fail, _) => Exit::Foreign(2),
            (_, Level::Skipped | Level::Ok, _) | (_, Level::Warn, HealthMode::Operator) => Exit::Ok,
            (_, Level::Warn | Level::Fail, _) => Exit::Negative,
        }
    }

    /// One line: the level, what the worst check found, and which others did not go well.
    pub fn summary(&self) -> String {
        let mut text = self.list.level.name().to_owned();
        let Some(worst) = self.list.worst() else { return text };
        let _ = write!(text, ": {}: {}", worst.name, worst.value);
        let others =
            self.list.checks.iter().filter(|c| c.level >= Level::Warn && c.name != worst.name);
        for other in others {
            let _ = write!(text, "; {} {}", other.level.name(), other.name);
        }
        text
    }

    /// The line of status that Nagios shows, with the numbers it draws.
    pub fn nagios(&self) -> String {
        let word = match self.list.level {
            Level::Skipped | Level::Ok => "OK",
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

    /// Of what, when and how strictly, and the list.
    pub fn text(&self, drawing: Drawing) -> String {
        let Self { tag, series, at, list, .. } = self;
        let (level, mode) = (list.level.name(), self.mode.name());
        format!("{tag} {series} at {at}: {level} ({mode})\n\n{}", list.text(drawing))
    }
}
