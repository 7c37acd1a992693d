//! Findings: what a deploy is refused for, where, and how to look closer; and the report of all of them.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    path_bytes::shown,
    rsync_output::{ItemChange, RsyncItem},
};
use crate::manifest::{Refusal, RefusalLevel, RefusalLevels, Target};

/// Name and version of `check.json`.
const SCHEMA: &str = "mjolnir.deploy-check/1";
/// Most changes that are shown to people; a document has all of them.
const ITEMS_MAX: usize = 40;
/// Most paths that the one line of attributes names.
const ATTRIBUTES_MAX: usize = 3;
/// Most paths of a finding that are named; the rest is counted.
const PATHS_MAX: usize = 10;

/// One reason against a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(rename = "finding")]
    pub refusal: Refusal,
    /// Whether it refuses the deploy.
    pub level: RefusalLevel,
    pub what: String,
    /// How many paths it is about.
    pub count: usize,
    pub paths: Vec<String>,
    /// What to type to look closer, or to go on.
    pub next: String,
}

/// All findings, each at the level the manifest gives it.
#[derive(Debug)]
pub struct Findings<'a> {
    levels: &'a RefusalLevels,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub fn new(levels: &'a RefusalLevels) -> Self {
        Self { levels, list: Vec::new() }
    }

    /// One that is about no path.
    pub fn add(&mut self, finding: Refusal, what: impl Into<String>, next: impl Into<String>) {
        self.push(finding, what.into(), Vec::new(), next.into());
    }

    /// One about paths, or about nothing when there are none.
    pub fn about(
        &mut self,
        finding: Refusal,
        what: impl Into<String>,
        paths: Vec<String>,
        next: impl Into<String>,
    ) {
        if !paths.is_empty() {
            self.push(finding, what.into(), paths, next.into());
        }
    }

    fn push(&mut self, finding: Refusal, what: String, mut paths: Vec<String>, next: String) {
        let level = self.levels.of(finding);
        if level == RefusalLevel::Off {
            return;
        }
        let count = paths.len();
        paths.truncate(PATHS_MAX);
        self.list.push(Finding { refusal: finding, level, what, count, paths, next });
    }

    /// Whether the deploy is refused.
    pub fn refused(&self) -> bool {
        self.list.iter().any(|found| found.level == RefusalLevel::Refuse)
    }

    /// Lets these only be shown.
    pub fn demote(&mut self, refusals: &[Refusal]) {
        let of = self.list.iter_mut().filter(|found| refusals.contains(&found.refusal));
        of.for_each(|found| found.level = RefusalLevel::Warn);
    }

    /// Whether this was found, at any level.
    pub fn has(&self, finding: Refusal) -> bool {
        self.list.iter().any(|found| found.refusal == finding)
    }

    /// Refusals first, each kind in the order of the list of kinds.
    pub fn sorted(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|found| (found.level, found.refusal));
        self.list
    }
}

/// Paths as reports show them.
pub fn shown_all<'p>(paths: impl IntoIterator<Item = &'p [u8]>) -> Vec<String> {
    paths.into_iter().map(shown).collect()
}

/// Commands for the target, as a person would type them.
#[derive(Debug, Clone, Copy)]
pub struct TargetHint<'a>(pub &'a Target);

impl TargetHint<'_> {
    /// Such as `trader@old-box:22:/srv/trade`.
    pub fn name(self) -> String {
        let path = &self.0.path;
        match (&self.0.host, &self.0.user, self.0.port) {
            (Some(host), Some(user), Some(port)) => format!("{user}@{host}:{port}:{path}"),
            _ => path.to_string(),
        }
    }

    /// A command to be run there. `PATH` in it is replaced by the folder.
    pub fn command(self, words: &str) -> String {
        let words = words.replace("PATH", self.0.path.get().as_str());
        match (&self.0.host, &self.0.user, self.0.port) {
            (Some(host), Some(user), Some(port)) => format!("ssh -p {port} {user}@{host} {words}"),
            _ => words,
        }
    }
}

/// A line for each item, with `word` in front; one line for all items of which only attributes change. `document` has the items
/// that are too many for people.
pub fn listed(word: &str, items: &[RsyncItem], document: &str) -> String {
    let is_attribute = |item: &&RsyncItem| item.change == ItemChange::Attributes;
    let (attributes, changed): (Vec<_>, Vec<_>) = items.iter().partition(is_attribute);
    let mut text = String::new();
    for item in changed.iter().take(ITEMS_MAX) {
        let _ = writeln!(text, "{word:<7} {:<13} {}", item.described(), item.path());
    }
    if let more @ 1.. = changed.len().saturating_sub(ITEMS_MAX) {
        let _ = writeln!(text, "{word:<7} and {more} more, see {document}");
    }
    if !attributes.is_empty() {
        let one = |item: &&RsyncItem| format!("{} ({})", item.path(), item.described());
        let mut names: Vec<String> = attributes.iter().take(ATTRIBUTES_MAX).map(one).collect();
        if let more @ 1.. = attributes.len().saturating_sub(ATTRIBUTES_MAX) {
            names.push(format!("and {more} more, see {document}"));
        }
        let _ = writeln!(
            text,
            "{word:<7} only attributes of {}: {}",
            attributes.len(),
            names.join(", ")
        );
    }
    text
}

/// The document `check.json`.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    schema: &'static str,
    pub source: String,
    pub target: String,
    /// Whether a deploy is refused.
    pub refused: bool,
    /// The commit of the source.
    pub commit: Option<String>,
    /// What would be changed; `None` when the target could not be looked at.
    pub changes: Option<Changes>,
    /// Each change. `plan.json` has them for programs.
    #[serde(skip)]
    pub items: Vec<RsyncItem>,
    /// The plan that `runner deploy --plan` enforces.
    pub plan: Option<PlanSummary>,
    /// Refusals first.
    pub findings: Vec<Finding>,
    /// What else there is to say.
    pub notes: Vec<String>,
}

/// A plan that was written down.
#[derive(Debug, Clone, Serialize)]
pub struct PlanSummary {
    pub path: String,
    pub hash: String,
    /// Until when it is good, RFC 3339.
    pub until: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Changes {
    /// Files, folders and links that are not there yet.
    pub new: usize,
    /// Those that have other content.
    pub changed: usize,
    /// Bytes to be sent.
    pub bytes: u64,
}

impl CheckReport {
    /// With nothing but findings yet.
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
            None => text.push_str(": the target could not be looked at"),
        }
        for (what, level) in
            [("refused for", RefusalLevel::Refuse), ("warnings", RefusalLevel::Warn)]
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
        if let Some(PlanSummary { path, hash, until }) = &self.plan {
            let _ = writeln!(text, "plan    {path}, hash {hash}, good until {until}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note    {note}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::deploy::rsync_output::RsyncOutput;

    #[test]
    fn attributes_are_one_line_and_changes_are_words() {
        let text = ">f+++++++++ new\n<fcst...... old\n.d..t...... ./\n.f...p..... a\n.f...p..... b\n.f...p..... c\n";
        let items = RsyncOutput::parse(text.as_bytes()).items;
        let expected = "change  new file      new\nchange  changed file  old\n\
            change  only attributes of 4: . (time), a (permissions), b (permissions), and 1 more, see the plan\n";
        assert_eq!(listed("change", &items, "the plan"), expected);
        assert_eq!(listed("change", &[], "the plan"), "");
    }
}
