//! What a deploy did, step by step, as `deploy.json` and for people.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::job::Act;
use crate::{
    exit::Exit,
    jobs::{
        context::{Failure, Outcome},
        deploy::{
            look::Looked,
            report::{Planned, listed},
        },
    },
    store::{disk::Disk as _, document::document},
};

const SCHEMA: &str = "mjolnir.deploy/1";

/// The document `deploy.json`.
#[derive(Debug, Serialize)]
pub struct Story {
    schema: &'static str,
    mode: &'static str,
    source: String,
    target: String,
    message: String,
    /// The commit that is brought there.
    pub commit: Option<String>,
    /// The commit that was there.
    pub previous: Option<String>,
    plan: Option<Planned>,
    /// What was sent: how, and the path.
    pub sent: Vec<[String; 2]>,
    /// What stands there, and in the source no more.
    pub stale: Vec<String>,
    /// What was moved aside: from and to.
    pub moved: Vec<[String; 2]>,
    /// What was not moved aside, and why.
    pub left: Vec<String>,
    /// What was done, in order.
    pub steps: Vec<String>,
    /// What went wrong.
    problem: Option<String>,
    /// The command to go on with, when something went wrong.
    pub next: String,
}

impl Story {
    /// Of a deploy that begins.
    pub fn new(act: &Act<'_>, looked: &Looked) -> Self {
        let report = &looked.report;
        let call = &act.site.context.call;
        Self {
            schema: SCHEMA,
            mode: act.deploy.mode.name(),
            source: report.source.clone(),
            target: report.target.clone(),
            message: act.deploy.message.clone(),
            commit: report.commit.clone(),
            previous: None,
            plan: report.plan.clone(),
            sent: Vec::new(),
            stale: Vec::new(),
            moved: Vec::new(),
            left: Vec::new(),
            steps: Vec::new(),
            problem: None,
            next: format!("runner deploy {call}"),
        }
    }

    /// Notes a step that was done.
    pub fn step(&mut self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!("{text}");
        self.steps.push(text);
    }

    /// Writes the document, and says how it ended.
    pub fn end(mut self, act: &Act<'_>, done: Result<(), Failure>) -> Result<Outcome, Failure> {
        let context = act.site.context;
        let exit = done.as_ref().map_or_else(|failure| failure.exit, |()| Exit::Ok);
        self.problem = done.err().map(|failure| failure.message);
        let path = act.site.dir.join("deploy.json");
        context.disk.replace(&path, context.mask.apply(&document(&self)).as_bytes())?;
        let shown = context.shown(&path);
        let mut out = BTreeMap::from([("deploy".to_owned(), shown.clone())]);
        if let Some(commit) = &self.commit {
            out.insert("commit".to_owned(), commit.clone());
        }
        if let Some(plan) = &self.plan {
            out.insert("plan".to_owned(), plan.path.clone());
            out.insert("plan-hash".to_owned(), plan.hash.clone());
        }
        let summary = self.summary();
        if self.problem.is_some() {
            tracing::error!("{summary}");
        }
        Ok(Outcome { exit, summary, text: format!("{}report: {shown}\n", self.text()), out })
    }

    fn summary(&self) -> String {
        let commit = self.commit.as_deref().and_then(|commit| commit.get(..12)).unwrap_or("?");
        match &self.problem {
            Some(problem) => format!("{} of {commit}: {problem}", self.mode),
            None => format!(
                "{} of {commit}: {} sent, {} moved aside, {} stale, verified",
                self.mode,
                self.sent.len(),
                self.moved.len(),
                self.stale.len()
            ),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{} to {}: {}\n\n", self.source, self.target, self.summary());
        text.push_str(&listed("sent", &self.sent, "the report"));
        for path in &self.stale {
            let _ = writeln!(text, "stale   {path}");
        }
        for [from, to] in &self.moved {
            let _ = writeln!(text, "moved   {from} to {to}");
        }
        for what in &self.left {
            let _ = writeln!(text, "left    {what}");
        }
        for step in &self.steps {
            let _ = writeln!(text, "done    {step}");
        }
        if let Some(problem) = &self.problem {
            let _ = writeln!(text, "failed  {problem}\nnext    {}", self.next);
        }
        text
    }
}
