//! What the service may run: one entry per schedule, with everything that was checked when it was loaded.

use std::{collections::BTreeMap, time::Duration};

use thiserror::Error;

use crate::{
    domain::{ids::RunId, time::UtcMs},
    manifest::{Overlap, Retry, Schedule},
};

/// Longest beginning of a run id that names its job and schedule; the time and `-again` follow.
const STEM_MAX: usize = 37;
/// How much of a longer one is kept; a hash of the whole follows.
const STEM_KEPT: usize = 28;

/// What a run is held to.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPolicy {
    /// What happens when the slot before still runs.
    pub overlap: Overlap,
    /// The longest it may run.
    pub timeout: Option<Duration>,
    /// Between being asked to stop and being made to.
    pub grace: Duration,
    /// Most bytes of its output that are kept.
    pub output_max: u64,
    /// What follows when it fails.
    pub retry: Retry,
    /// Whether it may simply be run again after it was lost.
    pub idempotent: bool,
    /// The pool it takes a place of.
    pub pool: Option<PoolPlace>,
    /// After how long it is told to be slow.
    pub slow_after: Option<Duration>,
    /// How long after it was due a start is late.
    pub late_start: Option<Duration>,
}

/// A pool that several jobs share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolPlace {
    pub name: String,
    /// Most runs of its jobs at the same time.
    pub size: u32,
}

impl RunPolicy {
    /// Whether it is a loop that must always be up. Such a run takes no place among those that may run at once.
    pub fn is_service(&self) -> bool {
        self.retry.attempts == 0
    }
}

impl Default for RunPolicy {
    /// Of a run whose schedule is no longer there.
    fn default() -> Self {
        Self {
            overlap: Overlap::Forbid,
            timeout: None,
            grace: Duration::from_secs(20),
            output_max: 16 << 20,
            retry: Retry::default(),
            idempotent: false,
            pool: None,
            slow_after: None,
            late_start: None,
        }
    }
}

/// One schedule of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledJob {
    /// What records call the schedule: `<job>.<id>`.
    pub name: String,
    pub job: String,
    /// Its manifest, relative to the root.
    pub file: String,
    pub kind: String,
    pub schedule: Schedule,
    /// What its runs are held to.
    pub terms: RunPolicy,
}

impl ScheduledJob {
    /// The id of the run of a slot. The same slot always has the same one, so that it cannot run twice.
    pub fn run_id(&self, slot: UtcMs) -> RunId {
        let ms = slot.get().rem_euclid(1_000);
        let ms = if ms == 0 { String::new() } else { format!("_{ms:03}") };
        let id = format!("{}_{}{ms}", self.stem(), slot.format("%Y%m%d_%H%M%S"));
        id.parse().expect("the stem is short and made of letters, digits, `_` and `-`")
    }

    /// How the ids of its runs begin.
    pub fn stem(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let whole: String =
            format!("{}_{}", self.job, self.schedule.id).chars().map(plain).collect();
        let whole = whole.trim_start_matches(['_', '-']).to_owned();
        if whole.len() <= STEM_MAX && !whole.is_empty() {
            return whole;
        }
        let hash = xxhash_rust::xxh3::xxh3_64(self.name.as_bytes()) as u32;
        format!("{}-{hash:08x}", &whole[..whole.len().min(STEM_KEPT)])
            .trim_start_matches('-')
            .to_owned()
    }

    /// How much later than due it starts, in milliseconds: always the same on the same machine.
    pub fn delay_ms(&self, machine: &str) -> i64 {
        let most = u64::try_from(self.schedule.jitter.duration().as_millis()).unwrap_or(u64::MAX);
        let hash = xxhash_rust::xxh3::xxh3_64(format!("{machine}\n{}", self.name).as_bytes());
        i64::try_from(hash % most.saturating_add(1).max(1)).unwrap_or_default()
    }
}

/// Two schedules with runs that would have the same ids.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the runs of the schedules {one} and {other} would have the same ids: give one of them another `id`"
)]
pub struct SameRunIds {
    /// The one that came first.
    pub one: String,
    /// The other.
    pub other: String,
}

/// Every schedule the service knows, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobSchedules(BTreeMap<String, ScheduledJob>);

impl JobSchedules {
    /// Of these; an error when two would share their records.
    pub fn new(all: Vec<ScheduledJob>) -> Result<Self, SameRunIds> {
        let (mut works, mut stems) = (BTreeMap::new(), BTreeMap::new());
        for work in all {
            if let Some(one) = stems.insert(work.stem(), work.name.clone()) {
                return Err(SameRunIds { one, other: work.name });
            }
            works.insert(work.name.clone(), work);
        }
        Ok(Self(works))
    }

    pub fn get(&self, name: &str) -> Option<&ScheduledJob> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ScheduledJob> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::cadence::Cadence,
        manifest::{Backlog, Span, Trigger},
    };

    pub fn work(job: &str, id: &str) -> ScheduledJob {
        ScheduledJob {
            name: format!("{job}.{id}"),
            job: job.to_owned(),
            file: format!("jobs/{job}.toml"),
            kind: "exec".to_owned(),
            schedule: Schedule {
                id: id.to_owned(),
                due: Trigger::At(Cadence::Every(Duration::from_mins(1))),
                overlap: Overlap::Forbid,
                catch_up: Backlog::Latest,
                catch_up_window: Span::seconds(86_400),
                catch_up_max: 100,
                jitter: Span::seconds(60),
                params: Vec::new(),
                profiles: Vec::new(),
                lacks: Vec::new(),
            },
            terms: RunPolicy::default(),
        }
    }

    #[test]
    fn c16_a_slot_has_one_id_and_no_other_slot_has_it() {
        let at = |ms| UtcMs::new(ms).unwrap();
        let id = |job: &str, id: &str, ms| work(job, id).run_id(at(ms)).to_string();
        assert_eq!(id("eqflat", "1", 1_700_000_000_000), "eqflat_1_20231114_221320");
        assert_eq!(id("eqflat", "1", 1_700_000_000_007), "eqflat_1_20231114_221320_007");
        let long = "a".repeat(64);
        let other = format!("{}b", "a".repeat(63));
        let (one, two) = (id(&long, &"x".repeat(32), 5), id(&other, &"x".repeat(32), 5));
        assert!(one != two && one.len() <= 58 && two.len() <= 58, "{one} {two}");
        let twins = JobSchedules::new(vec![work("a_b", "c"), work("a", "b_c")]).unwrap_err();
        assert_eq!((twins.one.as_str(), twins.other.as_str()), ("a_b.c", "a.b_c"));
    }

    #[test]
    fn jitter_is_stable_and_within_its_bound() {
        let delays: Vec<i64> =
            (0..50).map(|n| work("j", &n.to_string()).delay_ms("machine")).collect();
        let again: Vec<i64> =
            (0..50).map(|n| work("j", &n.to_string()).delay_ms("machine")).collect();
        assert_eq!(delays, again);
        assert!(delays.iter().all(|delay| (0..=60_000).contains(delay)), "{delays:?}");
        assert!(delays.iter().max() > Some(&40_000) && delays.iter().min() < Some(&20_000));
        let mut prompt = work("j", "1");
        prompt.schedule.jitter = Span::seconds(0);
        assert_eq!(prompt.delay_ms("machine"), 0);
    }
}
