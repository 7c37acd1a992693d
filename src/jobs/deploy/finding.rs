//! A finding: what a deploy is refused for, where, and how to look closer.

use serde::Serialize;

use super::names::shown;
use crate::manifest::{Refusal, RefusalLevel, RefusalLevels, Target};

/// Most paths of a finding that are named; the rest is counted.
pub const PATHS_MAX: usize = 10;

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What for.
    #[serde(rename = "finding")]
    pub refusal: Refusal,
    /// How grave it is.
    pub level: RefusalLevel,
    /// What was found.
    pub what: String,
    /// How many paths it is about.
    pub count: usize,
    /// The first of them.
    pub paths: Vec<String>,
    /// A command to look closer.
    pub next: String,
}

/// All findings, each at the level the manifest gives it.
#[derive(Debug)]
pub struct Findings<'a> {
    levels: &'a RefusalLevels,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// None yet.
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

    /// The grave ones first, each kind in the order of the list of kinds.
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
pub struct There<'a>(pub &'a Target);

impl There<'_> {
    /// Such as `trader@old-box:22:/srv/trade`.
    pub fn name(self) -> String {
        let path = &self.0.path;
        match (&self.0.host, &self.0.user, self.0.port) {
            (Some(host), Some(user), Some(port)) => format!("{user}@{host}:{port}:{path}"),
            _ => path.to_string(),
        }
    }

    /// A command to be run there; `PATH` in it stands for the folder.
    pub fn command(self, words: &str) -> String {
        let words = words.replace("PATH", self.0.path.get().as_str());
        match (&self.0.host, &self.0.user, self.0.port) {
            (Some(host), Some(user), Some(port)) => format!("ssh -p {port} {user}@{host} {words}"),
            _ => words,
        }
    }
}
