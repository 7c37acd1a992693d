//! Everybody the service tells something: people who watch it, people who are elsewhere, and programs that ask for its numbers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::output::say;
use crate::{
    domain::time::UtcMs,
    jobs::context::Failure,
    manifest::Manifest,
    run::build_id,
    serve::{
        notice::{LedgerNotifier, Notifier, WatchedLedger},
        phone::{PhoneLine, Phones},
        run_metrics::{RunMetrics, TurnMetrics},
        service::{RunObserver, RunTrouble},
        status::ServiceStatus,
    },
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
        runs::{RunFilter, RunRecord, RunState, RunStore},
    },
};

/// How long notices may take when the service ends; the next service delivers the rest.
const LAST_NOTICES: Duration = Duration::from_secs(5);
/// Most ended runs that wait until the records can be written again; of more, the oldest are told to nobody.
const WAITING_MAX: usize = 1_000;
/// Most missed slots of one job that are noted one by one; of more, only the newest. A clock that jumps a year ahead misses half a million,
/// and each note is a durable write.
const MISSED_MAX: usize = 20;

/// Whom the service tells.
#[derive(Clone)]
pub struct ServeWiring {
    /// What programs are shown.
    pub board: Arc<RunMetrics>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    notifier: Option<Notifier>,
    ledgers: Option<LedgerNotifier>,
    phones: Phones,
    root: PathBuf,
    manifests: BTreeMap<String, Manifest>,
    /// Runs that ended while the records could not be written.
    waiting: Vec<RunRecord>,
}

impl ServeWiring {
    /// Of the service of a root.
    pub fn new(root: &Path) -> Result<Self, Failure> {
        let build = build_id();
        let notifier = Some(Notifier::start(root, &build)?);
        let ledgers = Some(LedgerNotifier::start(root, &build)?);
        let waiting = ended_meanwhile(root)?;
        let inner = Inner {
            notifier,
            ledgers,
            phones: Phones::default(),
            root: root.to_owned(),
            manifests: BTreeMap::new(),
            waiting,
        };
        Ok(Self { board: Arc::new(RunMetrics::new(&build)), inner: Arc::new(Mutex::new(inner)) })
    }

    /// Learns who is told about which job, and about which ledger; `loops` are live jobs that are started elsewhere.
    pub fn learn(&self, manifests: Vec<Manifest>, loops: &[Manifest]) {
        let mut inner = self.lock();
        let root = inner.root.clone();
        inner.phones.learn(&root, PhoneLine::of(manifests.iter().chain(loops)));
        if let Some(ledgers) = &inner.ledgers {
            let all = manifests.iter().chain(loops);
            ledgers.learn(all.filter_map(WatchedLedger::of).collect());
        }
        if let Some(notifier) = &inner.notifier {
            for manifest in &manifests {
                notifier.learn(manifest);
            }
        }
        inner.manifests =
            manifests.into_iter().map(|manifest| (manifest.name.clone(), manifest)).collect();
    }

    /// Shows what the service sees.
    pub fn show(&self, status: &ServiceStatus) {
        let decided = |ms: Option<i64>| ms.and_then(|ms| UtcMs::new(ms).ok());
        let schedules = status.schedules.iter();
        let timed = schedules.clone().filter(|s| s.next_ms.is_some());
        let furthest =
            timed.filter_map(|s| Some((decided(s.decided_ms)?, s.schedule.clone()))).max();
        self.board.turned(TurnMetrics {
            jobs: Some(status.jobs as u64),
            running: status.running.len() as u64,
            queued: status.waiting_count as u64,
            rebuilds: status.rebuilds,
            furthest,
            schedules: schedules
                .filter_map(|s| Some((s.schedule.clone(), decided(s.decided_ms)?)))
                .collect(),
        });
        self.lock().pay();
    }

    /// Delivers what is owed, and ends.
    pub fn end(&self) {
        let (notifier, ledgers) = {
            let mut inner = self.lock();
            inner.pay();
            inner.phones.end();
            (inner.notifier.take(), inner.ledgers.take())
        };
        if let Some(ledgers) = ledgers {
            ledgers.end(LAST_NOTICES);
        }
        if let Some(notifier) = notifier {
            notifier.end(LAST_NOTICES);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scheduled runs that ended while no service was there to see it, in the order of their ends.
fn ended_meanwhile(root: &Path) -> Result<Vec<RunRecord>, Failure> {
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    let tick = disk.read(&layout.scheduler_tick())?.unwrap_or_default();
    let Ok(last) = serde_json::from_slice::<ServiceStatus>(&tick) else { return Ok(Vec::new()) };
    let filter = RunFilter { limit: Some(WAITING_MAX as u32), ..RunFilter::default() };
    let mut runs = RunStore::open(&disk, &layout)?.list(&filter)?;
    runs.retain(|run| {
        let ended = run.ended.is_some_and(|ended| ended.get() > last.tick_ms);
        run.due.is_some() && run.state.is_over() && ended
    });
    runs.sort_by_key(|run| run.ended);
    Ok(runs)
}

impl Inner {
    /// Hands on the runs that wait.
    fn pay(&mut self) {
        let Self { notifier: Some(notifier), manifests, waiting, .. } = self else { return };
        let mut missed: BTreeMap<String, usize> = BTreeMap::new();
        waiting.reverse();
        waiting.retain(|run| {
            let seen = missed.entry(run.job.clone()).or_default();
            *seen += usize::from(run.state == RunState::Missed);
            run.state != RunState::Missed || *seen <= MISSED_MAX
        });
        waiting.reverse();
        waiting.retain(|run| {
            let Some(manifest) = manifests.get(&run.job) else { return false };
            let told = notifier.observe(run, manifest);
            told.inspect_err(|error| tracing::warn!("{} is not noted yet: {error}", run.run_id))
                .is_err()
        });
        if waiting.len() > WAITING_MAX {
            waiting.drain(..waiting.len() - WAITING_MAX);
        }
    }
}

impl Inner {
    /// Notes a run that goes on and is in trouble; what cannot be noted now is lost: the run goes on, and its end is noted.
    fn trouble(&self, run: &RunRecord, trouble: RunTrouble) {
        let (Some(notifier), Some(manifest)) = (&self.notifier, self.manifests.get(&run.job))
        else {
            return;
        };
        if let Err(error) = notifier.observe_trouble(run, trouble, manifest) {
            tracing::warn!("{}: {error}", run.run_id);
        }
    }
}

impl RunObserver for ServeWiring {
    fn say(&mut self, line: &str) {
        say(line);
        tracing::info!("{line}");
    }

    fn on_run_trouble(&mut self, run: &RunRecord, trouble: RunTrouble) {
        self.lock().trouble(run, trouble);
    }

    fn on_run_finished(&mut self, run: &RunRecord) {
        tracing::info!(run = %run.run_id, state = run.state.name(), "{}", run.summary);
        self.board.observe(run);
        let mut inner = self.lock();
        inner.waiting.push(run.clone());
        // Missed slots may be many at once: they are noted with the next status.
        if run.state != RunState::Missed {
            inner.pay();
        }
    }
}
