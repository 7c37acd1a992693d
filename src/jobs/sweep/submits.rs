//! The documents of a sweep on a cluster: what was sent, what became of it, who coordinates, and why shards failed.

use serde::{Deserialize, Serialize};

use super::{
    dispatch::{SentArray, Shard},
    folder::{Created, SweepFolder, create_once},
    plan::SweepPlan,
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    store::{disk::Disk as _, document::document},
};

/// Name and version of the documents.
const SUBMIT: &str = "mjolnir.sweep-submit/1";
const SUBMITTED: &str = "mjolnir.sweep-submitted/1";
const COORDINATOR: &str = "mjolnir.sweep-coordinator/1";
const FAILED: &str = "mjolnir.shard-failed/1";

/// `submits/<n>.json`: written before sbatch is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitDoc {
    schema: String,
    /// sha256 of the plan.
    pub plan: String,
    /// What the queue knows it by, with the plan.
    pub attempt: String,
    /// What each task plays, by its number in the array.
    pub shards: Vec<Shard>,
}

impl SubmitDoc {
    /// What the queue shows as its comment.
    fn comment(&self) -> String {
        comment(&self.plan, &self.attempt)
    }
}

/// The comment of an attempt.
pub fn comment(plan_hash: &str, attempt: &str) -> String {
    format!("mjolnir:{plan_hash}:{attempt}")
}

/// `submits/<n>.done.json`: what the cluster said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmittedDoc {
    schema: String,
    /// The id of the array; none where it was refused.
    job: Option<String>,
    /// Why it was refused.
    refused: Option<String>,
}

/// `coordinator.json`: who sends shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorDoc {
    schema: String,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// When it was last there, milliseconds UTC.
    pub beat_ms: i64,
}

impl CoordinatorDoc {
    /// This process.
    pub fn new(host: String, beat_ms: i64) -> Self {
        Self { schema: COORDINATOR.to_owned(), host, pid: std::process::id(), beat_ms }
    }
}

/// A coordinator on another machine that gave no sign of life for so long is gone. Other machines may see a file of a shared folder a
/// minute late.
const SILENT_MS: i64 = 180_000;

/// What is known of a coordinator on another machine: its last sign of life, and when that was new here.
#[derive(Debug, Clone, Default)]
pub struct CoordinatorWatch(Option<(CoordinatorDoc, i64)>);

/// Who sends shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// This process.
    Own,
    /// One on that machine.
    Other(String),
    /// This process now, since the one on that machine is silent.
    TakenOver(String),
}

impl CoordinatorWatch {
    /// Who does, as `found` says it, seen on `host`. The clocks of machines are not compared: what counts is for how long nothing new was
    /// seen from here.
    pub fn look(&mut self, found: Option<CoordinatorDoc>, host: &str, now_ms: i64) -> Lead {
        let Some(found) = found.filter(|found| found.host != host) else {
            self.0 = None;
            return Lead::Own;
        };
        let since_ms = match &self.0 {
            Some((known, since_ms)) if *known == found => *since_ms,
            Some(_) | None => now_ms,
        };
        let other = found.host.clone();
        if now_ms - since_ms >= SILENT_MS {
            self.0 = None;
            return Lead::TakenOver(other);
        }
        self.0 = Some((found, since_ms));
        Lead::Other(other)
    }
}

/// `failed/<n>_<shard>.json`: why a shard ended without its results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedShard {
    schema: String,
    /// Its exit code.
    pub exit: u8,
    /// Why.
    pub message: String,
    /// Where.
    pub host: String,
}

impl FailedShard {
    /// Of a failure.
    pub fn of(failure: &Failure, host: String) -> Self {
        let (exit, message) = (failure.exit.code(), failure.message.clone());
        Self { schema: FAILED.to_owned(), exit, message, host }
    }

    /// The exit of the whole sweep, where trying again would not help.
    pub fn ends_with(&self) -> Option<Exit> {
        [Exit::Data, Exit::Bug, Exit::Io, Exit::Manifest]
            .into_iter()
            .find(|exit| exit.code() == self.exit)
    }
}

impl SweepFolder<'_> {
    /// Writes a submission before it is sent, under the next number that is free.
    pub fn keep_submit(
        &self,
        plan_hash: &str,
        attempt: &dyn Fn(u32) -> String,
        shards: Vec<Shard>,
    ) -> Result<(u32, SubmitDoc), Failure> {
        let dir = self.layout.sweep_submits_dir(&self.id);
        let mut n = self.submit_numbers()?.last().map_or(1, |last| last + 1);
        let (schema, plan) = (SUBMIT.to_owned(), plan_hash.to_owned());
        let mut doc = SubmitDoc { schema, plan, attempt: attempt(n), shards };
        self.disk.create_dir_all(&dir)?;
        while create_once(
            self.disk,
            &self.layout.sweep_submit(&self.id, n),
            document(&doc).as_bytes(),
        )? == Created::Differs
        {
            n += 1;
            doc.attempt = attempt(n);
        }
        Ok((n, doc))
    }

    /// Writes the id of an array that was accepted.
    pub fn keep_job(&self, n: u32, job: &str) -> Result<(), Failure> {
        self.keep_submitted(n, Some(job.to_owned()), None)
    }

    /// Writes that the cluster did not take an array.
    pub fn keep_refused(&self, n: u32, why: &str) -> Result<(), Failure> {
        self.keep_submitted(n, None, Some(why.to_owned()))
    }

    fn keep_submitted(
        &self,
        n: u32,
        job: Option<String>,
        refused: Option<String>,
    ) -> Result<(), Failure> {
        let doc = SubmittedDoc { schema: SUBMITTED.to_owned(), job, refused };
        self.replace(&self.layout.sweep_submitted(&self.id, n), document(&doc).as_bytes())
    }

    /// A submission.
    pub fn submit(&self, n: u32) -> Result<Option<SubmitDoc>, Failure> {
        self.json(&self.layout.sweep_submit(&self.id, n))
    }

    /// Every array of a plan that was sent, or may have been.
    pub fn sent(&self, plan: &SweepPlan) -> Result<Vec<SentArray>, Failure> {
        let hash = plan.hash();
        let mut sent = Vec::new();
        for n in self.submit_numbers()? {
            let Some(doc) = self.submit(n)?.filter(|doc| doc.plan == hash) else { continue };
            let answer: Option<SubmittedDoc> =
                self.json(&self.layout.sweep_submitted(&self.id, n))?;
            if answer.as_ref().is_some_and(|answer| answer.job.is_none()) {
                continue;
            }
            let pieces = doc.shards.iter().flat_map(Shard::pieces).collect();
            let job = answer.and_then(|answer| answer.job);
            sent.push(SentArray::new(n, doc.comment(), job, pieces));
        }
        Ok(sent)
    }

    fn submit_numbers(&self) -> Result<Vec<u32>, Failure> {
        let names = self.disk.list(&self.layout.sweep_submits_dir(&self.id))?;
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Writes why a shard failed.
    pub fn keep_failed(&self, (n, shard): (u32, u32), failed: &FailedShard) -> Result<(), Failure> {
        self.disk.create_dir_all(&self.layout.sweep_failed_dir(&self.id))?;
        self.replace(&self.layout.sweep_failed(&self.id, n, shard), document(failed).as_bytes())
    }

    /// The shards that failed, by the names of their files.
    pub fn failed(&self) -> Result<Vec<(String, FailedShard)>, Failure> {
        let dir = self.layout.sweep_failed_dir(&self.id);
        let mut all = Vec::new();
        for name in self.disk.list(&dir)? {
            if name.strip_suffix(".json").is_some()
                && let Some(failed) = self.json(&dir.join(&name))?
            {
                all.push((name, failed));
            }
        }
        Ok(all)
    }

    /// Who coordinates.
    pub fn coordinator(&self) -> Result<Option<CoordinatorDoc>, Failure> {
        self.json(&self.layout.sweep_coordinator(&self.id))
    }

    /// Writes that this process does, and is there.
    pub fn keep_coordinator(&self, doc: &CoordinatorDoc) -> Result<(), Failure> {
        self.replace(&self.layout.sweep_coordinator(&self.id), document(doc).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(host: &str, beat_ms: i64) -> CoordinatorDoc {
        CoordinatorDoc { pid: 1, ..CoordinatorDoc::new(host.to_owned(), beat_ms) }
    }

    #[test]
    fn one_on_another_machine_leads_while_it_gives_signs_of_life() {
        let mut watch = CoordinatorWatch::default();
        let mut look = |found: Option<CoordinatorDoc>, now| watch.look(found, "b", now);
        let other = || Lead::Other("a".to_owned());
        assert_eq!(look(None, 0), Lead::Own);
        // Its clock may be years ahead, or behind.
        assert_eq!(look(Some(doc("a", 9_999_999)), 0), other());
        assert_eq!(look(Some(doc("a", 9_999_999)), SILENT_MS - 1), other());
        assert_eq!(look(Some(doc("a", 5)), SILENT_MS), other(), "it is there");
        assert_eq!(look(Some(doc("a", 5)), 2 * SILENT_MS - 1), other());
        assert_eq!(look(Some(doc("a", 5)), 2 * SILENT_MS), Lead::TakenOver("a".to_owned()));
    }

    #[test]
    fn one_that_ended_is_followed_at_once_and_one_of_this_machine_is_not_watched() {
        let mut watch = CoordinatorWatch::default();
        assert_eq!(watch.look(Some(doc("a", 1)), "b", 0), Lead::Other("a".to_owned()));
        assert_eq!(watch.look(None, "b", 1), Lead::Own);
        // What another process of this machine left: the lock says that it is gone.
        assert_eq!(watch.look(Some(doc("b", 1)), "b", 2), Lead::Own);
    }
}
