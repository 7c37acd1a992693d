//! What was found, as a table with the differences below it, and as a document.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    compare::{Drifted, What},
    difference::Difference,
};
use crate::{
    jobs::deploy::{deployed::Deployed, finding::Finding},
    store::document::document,
};

const SCHEMA: &str = "mjolnir.drift/1";
/// Most lines of the table; the document has all of them.
const ROWS_MAX: usize = 100;

/// All that is reported.
#[derive(Debug)]
pub struct Report {
    /// The folder there.
    pub target: String,
    /// What was deployed last; `None` when nothing is known to be.
    pub deployed: Option<Deployed>,
    /// What is not as it was deployed, with what can be shown of it.
    pub drifted: Vec<(Drifted, Option<Difference>)>,
    /// Why nobody could look.
    pub findings: Vec<Finding>,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// A command to look closer.
    pub next: String,
}

/// The heads of the document.
#[derive(Debug, Serialize)]
struct Head<'a> {
    commit: &'a str,
    build: &'a str,
    deployed_at: &'a str,
}

impl Report {
    fn count(&self, what: What) -> usize {
        self.drifted.iter().filter(|(one, _)| one.what == what).count()
    }

    /// Such as `1 edited, 2 stray`.
    fn counts(&self) -> String {
        let all = What::ALL.map(|what| (self.count(what), what.name()));
        let some = all.iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = some.map(|(count, name)| format!("{count} {name}")).collect();
        told.join(", ")
    }

    /// One line.
    pub fn summary(&self) -> String {
        if !self.findings.is_empty() {
            let names: Vec<&str> = self.findings.iter().map(|one| one.refusal.name()).collect();
            return format!("nobody could look: {}", names.join(", "));
        }
        let Some(deployed) = &self.deployed else {
            return "nothing is known to be deployed there".to_owned();
        };
        let short = deployed.commit.get(..12).unwrap_or_default();
        match self.drifted.as_slice() {
            [] => format!("no drift: it is {short} as deployed at {}", deployed.at),
            [(first, _), rest @ ..] => {
                let more = if rest.is_empty() {
                    String::new()
                } else {
                    format!(" and {} more", rest.len())
                };
                let name = first.name();
                format!("drift from {short}: {}; {name}{more}", self.counts())
            }
        }
    }

    /// The table, and the differences below it.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.target, self.summary());
        for Finding { refusal, what, paths, next, .. } in &self.findings {
            let _ = writeln!(text, "{:<12} {what}", refusal.name());
            for path in paths {
                let _ = writeln!(text, "{:<12} {path}", "");
            }
            let _ = writeln!(text, "{:<12} next: {next}", "");
        }
        for (one, _) in self.drifted.iter().take(ROWS_MAX) {
            let _ = writeln!(text, "{:<12} {}: {}", one.what.name(), one.name(), one.told());
        }
        if let more @ 1.. = self.drifted.len().saturating_sub(ROWS_MAX) {
            let _ = writeln!(text, "{:<12} and {more} more", "");
        }
        if !self.drifted.is_empty() {
            let _ = writeln!(text, "{:<12} next: {}", "", self.next);
        }
        for (one, difference) in &self.drifted {
            let name = one.name();
            match difference {
                Some(Difference::Lines(lines, more)) => {
                    let _ = writeln!(text, "\n--- deployed {name}\n+++ there    {name}");
                    for line in lines {
                        let _ = writeln!(text, "{line}");
                    }
                    if *more > 0 {
                        let _ = writeln!(text, "({more} more lines)");
                    }
                }
                Some(Difference::NotShown(why)) => {
                    let _ = writeln!(text, "\n{name}: the difference is not shown: {why}");
                }
                None => {}
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// The text of `drift.json`.
    pub fn to_json(&self) -> String {
        let head = self.deployed.as_ref().map(|deployed| Head {
            commit: &deployed.commit,
            build: &deployed.build,
            deployed_at: &deployed.at,
        });
        let counts: serde_json::Map<String, Value> = What::ALL
            .iter()
            .map(|what| (what.name().to_owned(), json!(self.count(*what))))
            .collect();
        let drifted: Vec<Value> = self.drifted.iter().map(row).collect();
        let report = json!({
            "schema": SCHEMA, "target": self.target, "deployed": head, "counts": counts, "drifted": drifted,
            "findings": self.findings, "notes": self.notes,
        });
        document(&report)
    }
}

fn row((one, difference): &(Drifted, Option<Difference>)) -> Value {
    let mut row = json!({
        "path": one.name(), "what": one.what, "was": one.was, "now": one.now, "files_inside": one.inside,
    });
    match difference {
        Some(Difference::Lines(lines, more)) => {
            row["diff"] = json!(lines);
            row["diff_lines_cut"] = json!(more);
        }
        Some(Difference::NotShown(why)) => row["diff_not_shown"] = json!(why),
        None => {}
    }
    row
}
