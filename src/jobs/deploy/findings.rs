//! Findings: what a deploy is refused for, where, and how to look closer; the report of all of them; and the plan, one hash of everything
//! that a deploy relies on, good for a short time: whatever moves after it stops the deploy.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{
    inventory::shown,
    rsync_output::{ItemChange, RsyncItem, item_rows},
};
use crate::{
    checklist::{CheckItem, Checklist, Drawing, Level},
    domain::time::UtcMs,
    manifest::{Refusal, RefusalLevel, RefusalLevels, Target},
    store::digest::sha256_hex,
};

/// Name and version of `check.json`.
const CHECK_SCHEMA: &str = "mjolnir.deploy-check/2";
/// Most changes that are shown to people; a document has all of them.
const ITEMS_MAX: usize = 40;
/// Most paths that the one line of attributes names.
const ATTRIBUTES_MAX: usize = 3;
/// One reason against a deploy.
#[derive(Debug)]
struct DeployFinding {
    refusal: Refusal,
    level: RefusalLevel,
    check: CheckItem,
}

/// All findings, each at the level the manifest gives it.
#[derive(Debug)]
pub struct DeployFindings<'a> {
    levels: &'a RefusalLevels,
    list: Vec<DeployFinding>,
}

impl<'a> DeployFindings<'a> {
    pub fn new(levels: &'a RefusalLevels) -> Self {
        Self { levels, list: Vec::new() }
    }

    /// One that is about no path.
    pub fn add(&mut self, finding: Refusal, what: impl Into<String>, next: impl Into<String>) {
        self.push(finding, what.into(), Vec::new(), next.into());
    }

    /// One about paths, or about nothing when there are none. `FILE` in the command is the first of them.
    pub fn about(
        &mut self,
        finding: Refusal,
        what: impl Into<String>,
        paths: Vec<String>,
        next: impl Into<String>,
    ) {
        if let Some(first) = paths.first() {
            let next = next.into().replace("FILE", &typed(first));
            self.push(finding, what.into(), paths, next);
        }
    }

    fn push(&mut self, refusal: Refusal, what: String, paths: Vec<String>, next: String) {
        let level = self.levels.of(refusal);
        let shown = match level {
            RefusalLevel::Off => return,
            RefusalLevel::Warn => Level::Warn,
            RefusalLevel::Refuse => Level::Fail,
        };
        let check = CheckItem::new(refusal.name(), shown, what).evidence(paths).next(next);
        self.list.push(DeployFinding { refusal, level, check });
    }

    /// Whether the deploy is refused.
    pub fn refused(&self) -> bool {
        self.list.iter().any(|found| found.level == RefusalLevel::Refuse)
    }

    /// Lets these only be shown.
    pub fn demote(&mut self, refusals: &[Refusal]) {
        let of = self.list.iter_mut().filter(|found| refusals.contains(&found.refusal));
        for found in of {
            found.level = RefusalLevel::Warn;
            found.check.level = Level::Warn;
        }
    }

    /// Whether this was found, at any level.
    pub fn has(&self, finding: Refusal) -> bool {
        self.list.iter().any(|found| found.refusal == finding)
    }

    /// Refusals first, each kind in the order of the list of kinds.
    pub fn sorted(mut self) -> Vec<CheckItem> {
        self.list.sort_by_key(|found| (found.level, found.refusal));
        self.list.into_iter().map(|found| found.check).collect()
    }
}

/// A path of a finding as a person would type it: without the remark in brackets and the number of the line.
fn typed(path: &str) -> String {
    let path = path.split(" (").next().unwrap_or_default();
    let is_line = |line: &str| !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    let path =
        path.rsplit_once(':').filter(|(_, line)| is_line(line)).map_or(path, |(path, _)| path);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    if path.chars().all(is_plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
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

    /// The params that name it to a job.
    pub fn params(self) -> String {
        let path = format!("path={}", self.0.path);
        match (&self.0.host, &self.0.user, self.0.port) {
            (Some(host), Some(user), Some(port)) => {
                format!("{path} host={host} user={user} port={port}")
            }
            _ => path,
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
    /// The findings, refusals first.
    #[serde(flatten)]
    pub list: Checklist,
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
    pub fn new(source: String, target: String, findings: Vec<CheckItem>) -> Self {
        let list = Checklist::new(findings);
        let refused = list.level == Level::Fail;
        let (commit, changes, plan) = (None, None, None);
        let (items, notes) = (Vec::new(), Vec::new());
        Self {
            schema: CHECK_SCHEMA,
            source,
            target,
            refused,
            commit,
            changes,
            items,
            plan,
            list,
            notes,
        }
    }

    pub fn summary(&self) -> String {
        let names = |level: Level| -> Vec<&str> {
            let of = self.list.checks.iter().filter(|found| found.level == level);
            let mut names: Vec<&str> = of.map(|found| found.name.as_str()).collect();
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
        for (what, level) in [("refused for", Level::Fail), ("warnings", Level::Warn)] {
            let names = names(level);
            if !names.is_empty() {
                let _ = write!(text, "; {what}: {}", names.join(", "));
            }
        }
        text
    }

    /// The findings, the changes, the plan, and what else there is to say.
    pub fn text(&self, drawing: Drawing) -> String {
        let mut text = format!("{} to {}: {}\n\n", self.source, self.target, self.summary());
        text.push_str(&self.list.text(drawing));
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

const PLAN_SCHEMA: &str = "mjolnir.deploy-plan/1";

/// The document `plan.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeployPlan {
    schema: String,
    /// sha256 of the rest of the document.
    hash: String,
    /// Whether anything speaks against it.
    refused: bool,
    /// Milliseconds since 1970.
    made_ms: i64,
    expires_ms: i64,
    /// What it relies on, by name: texts and hashes.
    parts: BTreeMap<String, String>,
    /// What would be changed: how, and the path.
    items: Vec<[String; 2]>,
}

impl DeployPlan {
    /// Of what was seen, good for `ttl_ms`.
    pub fn new(
        parts: BTreeMap<String, String>,
        items: &[RsyncItem],
        refused: bool,
        made: UtcMs,
        ttl_ms: i64,
    ) -> Self {
        let mut plan = Self {
            schema: PLAN_SCHEMA.to_owned(),
            hash: String::new(),
            refused,
            made_ms: made.get(),
            expires_ms: made.get().saturating_add(ttl_ms),
            parts,
            items: item_rows(items),
        };
        plan.hash = plan.hashed();
        plan
    }

    fn hashed(&self) -> String {
        let bare = Self { hash: String::new(), ..self.clone() };
        sha256_hex(serde_json::to_string(&bare).expect("plain values serialise").as_bytes())
    }

    /// The hash: what is confirmed when a plan is confirmed.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Until when it holds.
    pub fn expires(&self) -> UtcMs {
        UtcMs::EPOCH.plus_ms(self.expires_ms)
    }

    /// Finds what moved since an earlier plan, which must be whole, safe and young.
    pub fn since(&self, earlier: &[u8], now: UtcMs, findings: &mut DeployFindings<'_>) {
        let next = "runner plan jobs/deploy.toml";
        let mut say = |what: String| findings.add(Refusal::ChangedSince, what, next);
        let earlier: Self = match serde_json::from_slice(earlier) {
            Ok(earlier) => earlier,
            Err(error) => return say(format!("the plan cannot be read: {error}")),
        };
        if earlier.schema != PLAN_SCHEMA || earlier.hash != earlier.hashed() {
            return say("the plan was changed after it was made".to_owned());
        }
        if earlier.refused {
            say("the plan was refused when it was made".to_owned());
        }
        if now.get() >= earlier.expires_ms {
            say(format!(
                "the plan is older than {} s",
                (earlier.expires_ms - earlier.made_ms) / 1000
            ));
        }
        let names: std::collections::BTreeSet<&String> =
            self.parts.keys().chain(earlier.parts.keys()).collect();
        let moved =
            names.into_iter().filter(|name| self.parts.get(*name) != earlier.parts.get(*name));
        let moved: Vec<String> = moved.cloned().collect();
        if !moved.is_empty() || self.items != earlier.items {
            findings.about(
                Refusal::ChangedSince,
                "moved since the plan",
                if moved.is_empty() { vec!["items".to_owned()] } else { moved },
                next,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        jobs::deploy::rsync_output::RsyncOutput, manifest::RefusalLevels, store::document::document,
    };

    #[test]
    fn attributes_are_one_line_and_changes_are_words() {
        let text = ">f+++++++++ new\n<fcst...... old\n.d..t...... ./\n.f...p..... a\n.f...p..... b\n.f...p..... c\n";
        let items = RsyncOutput::parse(text.as_bytes()).items;
        let expected = "change  new file      new\nchange  changed file  old\n\
            change  only attributes of 4: . (time), a (permissions), b (permissions), and 1 more, see the plan\n";
        assert_eq!(listed("change", &items, "the plan"), expected);
        assert_eq!(listed("change", &[], "the plan"), "");
    }

    fn plan(head: &str) -> DeployPlan {
        let parts = BTreeMap::from([("head".to_owned(), head.to_owned())]);
        DeployPlan::new(parts, &[], false, UtcMs::EPOCH, 1000)
    }

    fn found(now_ms: i64, head: &str, edit: impl Fn(String) -> String) -> Vec<String> {
        let levels = RefusalLevels::default();
        let mut findings = DeployFindings::new(&levels);
        let earlier = edit(document(&plan("a")));
        plan(head).since(earlier.as_bytes(), UtcMs::new(now_ms).unwrap(), &mut findings);
        findings.sorted().into_iter().map(|found| found.value + &found.evidence.join(" ")).collect()
    }

    #[test]
    fn a_young_plan_holds_until_something_moves() {
        let same = |text: String| text;
        assert!(found(999, "a", same).is_empty());
        assert_eq!(found(1000, "a", same), ["the plan is older than 1 s"]);
        assert_eq!(found(999, "b", same), ["moved since the planhead"]);
    }

    #[test]
    fn an_edited_plan_is_no_plan() {
        let longer = |text: String| text.replace("1000", "99000");
        assert_eq!(found(5000, "a", longer), ["the plan was changed after it was made"]);
        assert!(found(1, "a", |_| "{".to_owned())[0].starts_with("the plan cannot be read"));
    }
}
