//! What a look at a deploy found, as a table and a document.

use std::fmt::Write as _;

use serde::Serialize;

use super::finding::{Finding, PATHS_MAX};
use crate::manifest::RefusalLevel;

const SCHEMA: &str = "mjolnir.deploy-check/1";

/// Most changes that are shown to people; all of them stand in a document.
const ITEMS_MAX: usize = 40;

/// Lines with a word in front, how something is changed, and its path; those that are too many stand in `document`.
pub fn listed(word: &str, items: &[[String; 2]], document: &str) -> String {
    let mut text = String::new();
    for [how, path] in items.iter().take(ITEMS_MAX) {
        let _ = writeln!(text, "{word:<7} {how:<33} {path}");
    }
    if items.len() > ITEMS_MAX {
        let _ = writeln!(text, "{word:<7} and {} more, see {document}", items.len() - ITEMS_MAX);
    }
    text
}

/// The document `check.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    /// The folder here.
    pub source: String,
    /// The folder there.
    pub target: String,
    /// Whether a deploy is refused.
    pub refused: bool,
    /// The commit of the source.
    pub commit: Option<String>,
    /// What would be changed; `None` when nobody could look.
    pub changes: Option<Changes>,
    /// How each of them would be changed, and its path.
    #[serde(skip)]
    pub items: Vec<[String; 2]>,
    /// What a deploy can hold on to.
    pub plan: Option<Planned>,
    /// The grave ones first.
    pub findings: Vec<Finding>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// A plan that was written down.
#[derive(Debug, Clone, Serialize)]
pub struct Planned {
    /// Where it is.
    pub path: String,
    /// Its hash.
    pub hash: String,
    /// Until when it is good, RFC 3339.
    pub until: String,
}

/// What would be changed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Changes {
    /// Files, folders and links that are not there yet.
    pub new: usize,
    /// Those that have other content.
    pub changed: usize,
    /// Bytes to be sent.
    pub bytes: u64,
}

impl Report {
    /// Of one look.
    pub fn new(source: String, target: String, findings: Vec<Finding>) -> Self {
        let refused = findings.iter().any(|found| found.level == RefusalLevel::Refuse);
        let (commit, changes, plan) = (None, None, None);
        let (items, notes) = (Vec::new(), Vec::new());
        Self {
            schema: SCHEMA,
            source,
            target,
            refused,
            commit,
            changes,
            items,
            plan,
            findings,
            notes,
        }
    }

    /// One line.
    pub fn summary(&self) -> String {
        let names = |level: RefusalLevel| -> Vec<&str> {
            let of = self.findings.iter().filter(|found| found.level == level);
            let mut names: Vec<&str> = of.map(|found| found.refusal.name()).collect();
            names.dedup();
            names
        };
        let mut text = if self.refused { "refused" } else { "safe" }.to_owned();
        match self.changes {
            Some(Changes { new, changed, bytes }) => {
                let _ = write!(text, ": {new} new, {changed} changed, {bytes} bytes");
            }
            None => text.push_str(": nobody could look"),
        }
        for (what, level) in
            [("refused for", RefusalLevel::Refuse), ("warned of", RefusalLevel::Warn)]
        {
            let names = names(level);
            if !names.is_empty() {
                let _ = write!(text, "; {what}: {}", names.join(", "));
            }
        }
        text
    }

    /// One block per finding: what, where, what to do next.
    pub fn text(&self) -> String {
        let mut text = format!("{} to {}: {}\n\n", self.source, self.target, self.summary());
        for found in &self.findings {
            let Finding { refusal, level, what, count, paths, next } = found;
            let _ = writeln!(text, "{:<7} {:<20} {what}", level.name(), refusal.name());
            for path in paths {
                let _ = writeln!(text, "{:<28} {path}", "");
            }
            if *count > PATHS_MAX {
                let _ = writeln!(text, "{:<28} and {} more", "", count - PATHS_MAX);
            }
            let _ = writeln!(text, "{:<28} next: {next}", "");
        }
        text.push_str(&listed("change", &self.items, "the plan"));
        if let Some(Planned { path, hash, until }) = &self.plan {
            let _ = writeln!(text, "plan    {path}, hash {hash}, good until {until}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note    {note}");
        }
        text
    }
}
