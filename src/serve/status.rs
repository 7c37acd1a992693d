//! What the service is doing: the document it leaves on the disk and shows to others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    launcher::Launcher,
    service::Service,
    tracked_run::{Phase, TrackedRun},
};
use crate::{domain::time::UtcMs, manifest::Trigger, store::error::StoreError};

/// Version of the document.
pub const SCHEMA: &str = "mjolnir.scheduler/1";

/// The service as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its version.
    pub schema: String,
    /// The process.
    pub pid: u32,
    pub build: String,
    pub started_ms: i64,
    /// When it last looked.
    pub tick_ms: i64,
    /// Whether it starts nothing any more.
    pub draining: bool,
    /// How often its waker was replaced.
    pub rebuilds: u64,
    /// Where it can be asked, if anywhere.
    pub listen: Option<String>,
    /// The jobs it knows, those without a schedule included.
    pub jobs: usize,
    /// Most runs that go on at once.
    pub max_running: u32,
    /// Why the records cannot be written, when they cannot.
    pub trouble: Option<String>,
    /// How often the manifests were read again.
    #[serde(default)]
    pub reloads: u64,
    /// What came of the last time.
    #[serde(default)]
    pub reload_said: String,
    /// Whether that changed nothing, since a manifest is wrong.
    #[serde(default)]
    pub reload_refused: bool,
    pub schedules: Vec<ScheduleStatus>,
    /// The runs that go on.
    pub running: Vec<RunStatus>,
    /// The first of the runs that wait.
    pub waiting: Vec<RunStatus>,
    /// How many wait in all.
    pub waiting_count: usize,
    /// The pools that jobs with a schedule name.
    #[serde(default)]
    pub pools: Vec<PoolStatus>,
}

/// Who has the places of a pool, and who waits for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolStatus {
    pub pool: String,
    pub size: u32,
    pub running: Vec<String>,
    /// Those that were due first come first.
    pub waiting: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    pub schedule: String,
    pub job: String,
    /// What makes it due.
    pub due: String,
    /// When it starts a run next, its delay counted in; none for an event.
    pub next_ms: Option<i64>,
    /// How much later than due it starts.
    pub delay_ms: i64,
    /// Up to where its slots are decided.
    pub decided_ms: Option<i64>,
    /// Why its job is paused, if it is.
    pub paused: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    pub run_id: String,
    pub schedule: String,
    pub slot_ms: i64,
    pub attempt: u32,
    /// How long it has gone on.
    pub since_ms: i64,
    /// Whether it is being stopped.
    pub stopping: bool,
}

/// Most waiting runs that are shown.
const SHOWN: usize = 50;

impl<L: Launcher> Service<L> {
    /// What it is doing now. What only its host knows is left for it to fill in.
    pub fn status(&self, now: super::tracked_run::TurnTime) -> Result<ServiceStatus, StoreError> {
        let pauses = self.store.pauses()?;
        let mut schedules = Vec::new();
        for work in self.works.iter() {
            let decided = self.store.decided(&work.name)?.map(|decided| decided.upto);
            let delay_ms = work.delay_ms(&self.settings.machine);
            let next = match &work.schedule.due {
                Trigger::At(cadence) => cadence
                    .next(decided.unwrap_or(now.at).max(now.at.plus_ms(-delay_ms)))
                    .map(|slot| slot.plus_ms(delay_ms).get()),
                Trigger::On(_) => None,
            };
            schedules.push(ScheduleStatus {
                schedule: work.name.clone(),
                job: work.job.clone(),
                due: work.schedule.due.fingerprint(),
                next_ms: next,
                delay_ms,
                decided_ms: decided.map(UtcMs::get),
                paused: pauses.get(&work.job).map(|pause| pause.reason.clone()),
            });
        }
        let shown = |held: &TrackedRun| RunStatus {
            run_id: held.run.to_string(),
            schedule: held.schedule.clone(),
            slot_ms: held.slot.get(),
            attempt: held.attempt,
            since_ms: lasted_ms(held, now),
            stopping: matches!(held.phase, Phase::Running(going) if going.ending.is_some()),
        };
        let (waiting, running): (Vec<&TrackedRun>, Vec<&TrackedRun>) =
            self.held.values().partition(|held| held.waits() || held.is_parked());
        Ok(ServiceStatus {
            schema: SCHEMA.to_owned(),
            pid: 0,
            build: self.settings.build.clone(),
            started_ms: 0,
            tick_ms: now.at.get(),
            draining: self.closed,
            rebuilds: 0,
            listen: None,
            jobs: 0,
            max_running: self.settings.most,
            trouble: self.trouble.clone(),
            reloads: 0,
            reload_said: String::new(),
            reload_refused: false,
            schedules,
            running: running.into_iter().map(shown).collect(),
            waiting: waiting.iter().take(SHOWN).map(|held| shown(held)).collect(),
            waiting_count: waiting.len(),
            pools: self.pools(),
        })
    }

    fn pools(&self) -> Vec<PoolStatus> {
        let mut pools: BTreeMap<&str, PoolStatus> = BTreeMap::new();
        for pool in self.works.iter().filter_map(|work| work.terms.pool.as_ref()) {
            let (running, waiting) = (Vec::new(), Vec::new());
            let (name, size) = (pool.name.clone(), pool.size);
            pools.entry(&pool.name).or_insert(PoolStatus { pool: name, size, running, waiting });
        }
        let mut held: Vec<&TrackedRun> = self.held.values().filter(|h| !h.is_parked()).collect();
        held.sort_by_key(|held| held.slot);
        for held in held {
            let pool = held.terms.pool.as_ref().and_then(|pool| pools.get_mut(pool.name.as_str()));
            let Some(pool) = pool else { continue };
            let list = if held.waits() { &mut pool.waiting } else { &mut pool.running };
            list.push(held.run.to_string());
        }
        pools.into_values().collect()
    }
}

fn lasted_ms(held: &TrackedRun, now: super::tracked_run::TurnTime) -> i64 {
    match held.phase {
        Phase::Waiting(_) | Phase::Parked => 0,
        Phase::Running(going) | Phase::Ended(going, _) => {
            let lasted = going.before + now.up.saturating_sub(going.since);
            i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX)
        }
        Phase::Clearing(clearing) => i64::try_from(clearing.lasted.as_millis()).unwrap_or(i64::MAX),
    }
}
