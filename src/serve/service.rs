//! The core of the service: one turn looks at everything it holds, decides what is due, records it, and then starts it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    admission::{Admission, Candidate, admit},
    launcher::{LaunchOrder, Launcher},
    plan::{DueEvent, ScheduleGate, ScheduleLoad, ScheduleView, SlotPlan, SlotVerdict, plan},
    schedule_table::{JobSchedules, ScheduledJob},
    ticker::NAP,
    tracked_run::{Phase, QueueCause, StopReason, TrackedRun, TurnTime},
};
use crate::{
    domain::time::UtcMs,
    manifest::{StartOn, Trigger},
    store::{
        error::StoreError,
        runs::{Ahead, Pause, RunEnd, RunRecord, RunState, RunStore},
    },
};

/// Between two looks at a run that is being ended or cleared away.
const SOON: Duration = Duration::from_millis(200);

/// Who is told what happens.
pub trait RunObserver {
    /// A line for people.
    fn say(&mut self, line: &str);
    /// A run that ended, or a slot that was not run.
    fn on_run_finished(&mut self, run: &RunRecord);
    /// A run that goes on, and not as it should.
    fn on_run_trouble(&mut self, _run: &RunRecord, _trouble: RunTrouble) {}
}

/// What is not as it should be with a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunTrouble {
    /// It goes on for longer than is usual.
    Slow,
    /// It began long after it was due.
    Late,
}

/// What the service is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Most runs that go on at once; loops that are always up do not count.
    pub most: u32,
    /// What makes the delays of this machine its own.
    pub machine: String,
    /// Which start of the machine this is.
    pub boot: String,
    pub build: String,
}

pub struct Service<L> {
    pub(super) store: RunStore,
    pub(super) launcher: L,
    pub(super) observer: Box<dyn RunObserver>,
    pub(super) works: JobSchedules,
    pub(super) settings: ServiceSettings,
    pub(super) held: BTreeMap<u64, TrackedRun>,
    pub(super) next_key: u64,
    /// Schedules on the start of the service that were not decided yet.
    pub(super) events: BTreeSet<String>,
    /// Whether nothing is started any more.
    pub(super) closed: bool,
    pub(super) trouble: Option<String>,
    warned_back: BTreeSet<String>,
    /// The second in which it was last looked whether somebody stopped a run that waits.
    looked: Option<u64>,
}

impl<L: Launcher> Service<L> {
    /// A service over recorded runs. Before its first turn it takes over what earlier ones left.
    pub fn new(
        store: RunStore,
        launcher: L,
        observer: Box<dyn RunObserver>,
        works: JobSchedules,
        settings: ServiceSettings,
    ) -> Self {
        let on_start = |work: &&ScheduledJob| work.schedule.due == Trigger::On(StartOn::Start);
        let events = works.iter().filter(on_start).map(|work| work.name.clone()).collect();
        Self {
            store,
            launcher,
            observer,
            works,
            settings,
            held: BTreeMap::new(),
            next_key: 0,
            events,
            closed: false,
            trouble: None,
            warned_back: BTreeSet::new(),
            looked: None,
        }
    }

    /// One turn. An error is damage: the records cannot be trusted. A database that refuses is said and tried again.
    pub fn turn(&mut self, now: TurnTime) -> Result<(), StoreError> {
        self.reap();
        self.watch(now);
        match self.record(now) {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    self.say("the records can be written again");
                }
                Ok(())
            }
            Err(error) if error.is_passing() => {
                let text = error.to_string();
                if self.trouble.as_ref() != Some(&text) {
                    self.say(&format!(
                        "error: {text}; nothing is decided or started until this is over"
                    ));
                    self.trouble = Some(text);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Everything that needs the records.
    fn record(&mut self, now: TurnTime) -> Result<(), StoreError> {
        self.settle_ended(now)?;
        self.clear(now)?;
        self.tell_slow(now)?;
        if self.closed {
            return Ok(());
        }
        let pauses = self.pauses(now)?;
        self.refuse_waiting(&pauses, now)?;
        let names: Vec<String> = self.works.iter().map(|work| work.name.clone()).collect();
        for name in names {
            self.decide(&name, &pauses, now)?;
        }
        self.seat(now)
    }

    /// Decides the slots of one schedule that became due.
    pub(super) fn decide(
        &mut self,
        name: &str,
        pauses: &BTreeMap<String, Pause>,
        now: TurnTime,
    ) -> Result<(), StoreError> {
        let Some(work) = self.works.get(name).cloned() else { return Ok(()) };
        let busy = self.held.values().any(|held| held.schedule == name);
        let event = if self.events.contains(name) { DueEvent::Begins } else { DueEvent::GoesOn };
        let pause = pauses.get(&work.job);
        let boot = self.settings.boot.clone();
        let view = ScheduleView {
            now: now.at,
            delay_ms: work.delay_ms(&self.settings.machine),
            boot: &boot,
            event,
            load: if busy { ScheduleLoad::Busy } else { ScheduleLoad::Free },
            gate: if pause.is_some() { ScheduleGate::Paused } else { ScheduleGate::Open },
        };
        let known = self.store.decided(name)?;
        self.warn_when_back(name, known.as_ref().map(|known| known.upto), now.at);
        let Some(plan) = plan(&work.schedule, known.as_ref(), &view) else { return Ok(()) };
        let records = self.records(&work, &plan, pause, now.at);
        let recorded = self.store.decide(name, &plan.decided, &records)?;
        self.events.remove(name);
        let whole = recorded == records.len();
        self.tell_skipped(&work, &plan);
        for (run, (slot, verdict)) in records.iter().zip(&plan.slots) {
            if !whole && self.store.get(&run.run_id)?.as_ref() != Some(run) {
                // The slot had its record already.
                continue;
            }
            match verdict {
                SlotVerdict::Run | SlotVerdict::CatchUp => {
                    let cause = if *verdict == SlotVerdict::Run {
                        QueueCause::Due
                    } else {
                        QueueCause::CatchUp
                    };
                    let terms = work.terms.clone();
                    self.hold(TrackedRun::waiting(run, name, *slot, cause, terms));
                }
                SlotVerdict::Missed
                | SlotVerdict::Overlap
                | SlotVerdict::Superseded
                | SlotVerdict::Paused => {
                    self.observer.on_run_finished(run);
                }
            }
        }
        Ok(())
    }

    /// The records of a plan, to be made before anything starts.
    fn records(
        &self,
        work: &ScheduledJob,
        plan: &SlotPlan,
        pause: Option<&Pause>,
        now: UtcMs,
    ) -> Vec<RunRecord> {
        let busy = self.held.values().find(|held| held.schedule == work.name);
        let record = |slot: UtcMs, verdict: SlotVerdict| {
            let (state, summary) = match verdict {
                SlotVerdict::Run => (RunState::Queued, String::new()),
                SlotVerdict::CatchUp => (RunState::Queued, "caught up".to_owned()),
                SlotVerdict::Missed => {
                    (RunState::Missed, "the scheduler was not running when it was due".to_owned())
                }
                SlotVerdict::Superseded => {
                    (RunState::Superseded, "a newer slot took its place".into())
                }
                SlotVerdict::Overlap => {
                    let before = busy.map_or("the slot before".to_owned(), |h| h.run.to_string());
                    (RunState::SkippedOverlap, format!("{before} was not over"))
                }
                SlotVerdict::Paused => (RunState::SkippedPrecondition, paused(pause)),
            };
            RunRecord {
                ended: state.is_over().then_some(now),
                summary,
                due: Some((work.name.clone(), slot)),
                ..RunRecord::first(
                    work.run_id(slot),
                    (&work.job, &work.kind),
                    state,
                    slot,
                    &self.settings.build,
                )
            }
        };
        plan.slots.iter().map(|(slot, verdict)| record(*slot, *verdict)).collect()
    }

    fn tell_skipped(&mut self, work: &ScheduledJob, plan: &SlotPlan) {
        for verdict in [
            SlotVerdict::Missed,
            SlotVerdict::Overlap,
            SlotVerdict::Superseded,
            SlotVerdict::Paused,
        ] {
            let mut slots = plan.slots.iter().filter(|(_, v)| *v == verdict).map(|(slot, _)| slot);
            let (count, Some(first)) = (slots.clone().count(), slots.next()) else { continue };
            let last = slots.next_back().unwrap_or(first);
            let name = &work.name;
            let which = if count == 1 {
                format!("slot {first}")
            } else {
                format!("{count} slots from {first} to {last}")
            };
            let line = match verdict {
                SlotVerdict::Missed => {
                    format!("missed {name}: {which}: the scheduler was not running")
                }
                SlotVerdict::Overlap => {
                    format!("skip {name}: {which}: {}", self.still_running(name))
                }
                SlotVerdict::Superseded => {
                    format!("skip {name}: {which}: a newer slot takes its place")
                }
                SlotVerdict::Paused => format!("skip {name}: {which}: the job is paused"),
                SlotVerdict::Run | SlotVerdict::CatchUp => continue,
            };
            self.say(&line);
        }
    }

    fn still_running(&self, name: &str) -> String {
        let before = self.held.values().find(|held| held.schedule == name);
        before.map_or("the slot before is not over".to_owned(), |held| match held.phase {
            Phase::Waiting(_) => format!("{} still waits since {}", held.run, held.slot),
            Phase::Parked => format!("{} waits for an approval since {}", held.run, held.slot),
            Phase::Running(_) | Phase::Ended(..) | Phase::Clearing(_) => {
                format!("{} is still running since {}", held.run, held.slot)
            }
        })
    }

    fn warn_when_back(&mut self, name: &str, upto: Option<UtcMs>, now: UtcMs) {
        let Some((upto, ahead)) = upto.and_then(|upto| Some((upto, Ahead::of(upto, now)?))) else {
            self.warned_back.remove(name);
            return;
        };
        if self.warned_back.insert(name.to_owned()) {
            self.say(&format!(
                "warning: {name}: {ahead}: the clock was set back: its slots up to {upto} are decided already, and none of them runs \
                 again; if the clock was wrong then, `runner rewind --reason ...` takes that back"
            ));
        }
    }

    /// Waiting runs that somebody stopped, whose job was paused, or whose schedule is gone, do not start.
    fn refuse_waiting(
        &mut self,
        pauses: &BTreeMap<String, Pause>,
        now: TurnTime,
    ) -> Result<(), StoreError> {
        let looks = self.looked != Some(now.up.as_secs());
        self.looked = Some(now.up.as_secs());
        if looks {
            self.look_at_parked(now)?;
        }
        let waiting = self.held.iter().filter(|(_, held)| held.waits() || held.is_parked());
        let waiting: Vec<u64> = waiting.map(|(key, _)| *key).collect();
        for key in waiting {
            let held = &self.held[&key];
            let work = self.works.get(&held.schedule);
            let has_started = held.is_parked() || held.goes_on;
            let pause = work.and_then(|work| pauses.get(&work.job)).filter(|_| !has_started);
            let asked = looks.then(|| self.launcher.stop_requested(&held.run)).flatten();
            let (state, why) = match (work, pause, asked) {
                (_, _, Some(why)) => {
                    (RunState::Cancelled, format!("stopped ({why}) while it waited"))
                }
                (None, ..) => (RunState::Cancelled, "its schedule is no longer there".to_owned()),
                (_, Some(_), _) if held.attempt > 1 => (RunState::Cancelled, paused(pause)),
                (_, Some(_), _) => (RunState::SkippedPrecondition, paused(pause)),
                (Some(_), None, None) => continue,
            };
            self.drop_waiting(key, state, why, now)?;
        }
        Ok(())
    }

    /// Ends a run that never started, or is not tried again.
    pub(super) fn drop_waiting(
        &mut self,
        key: u64,
        state: RunState,
        summary: String,
        now: TurnTime,
    ) -> Result<(), StoreError> {
        let held = self.held[&key].clone();
        let line = format!("{} {}: {summary}", state.name(), held.run);
        let end = RunEnd { state, exit_code: 0, summary, at: now.at };
        let done = self.store.settle_unstarted(&held.run, held.attempt, &end)?;
        let run = self.store.get(&held.run)?;
        if !done && run.as_ref().is_some_and(|run| run.state == RunState::Running) {
            // A process that an earlier service started was faster.
            self.goes(key, now, Duration::ZERO, false);
            return Ok(());
        }
        self.held.remove(&key);
        if let Some(run) = run.filter(|_| done) {
            self.say(&line);
            self.observer.on_run_finished(&run);
        }
        Ok(())
    }

    /// Starts what may start, and makes room where the rule of a schedule asks for it.
    fn seat(&mut self, now: TurnTime) -> Result<(), StoreError> {
        let seats: Vec<Candidate<'_>> =
            self.held.iter().map(|(key, held)| held.seat(*key, now.at)).collect();
        for act in admit(&seats, self.settings.most) {
            match act {
                Admission::Supersede(key) => {
                    let why = "a newer slot took its place".to_owned();
                    self.drop_waiting(key, RunState::Superseded, why, now)?;
                }
                Admission::Replace(key)
                    if self.held[&key].waits() || self.held[&key].is_parked() =>
                {
                    let why = StopReason::Replaced.text().to_owned();
                    self.drop_waiting(key, RunState::Cancelled, why, now)?;
                }
                Admission::Replace(key) => self.ask(key, StopReason::Replaced, now),
                Admission::Start(key) => self.start(key, now)?,
            }
        }
        Ok(())
    }

    fn start(&mut self, key: u64, now: TurnTime) -> Result<(), StoreError> {
        let Some(held) = self.held.get(&key).cloned() else { return Ok(()) };
        let Some(work) = self.works.get(&held.schedule) else { return Ok(()) };
        let order = LaunchOrder {
            run: held.run.clone(),
            attempt: held.attempt,
            file: work.file.clone(),
            params: work.schedule.params.clone(),
            profiles: work.schedule.profiles.clone(),
        };
        match self.launcher.start(&order) {
            Ok(()) => {
                let (run, attempt, slot) = (&held.run, held.attempt, held.slot);
                self.goes(key, now, Duration::ZERO, true);
                self.say(&format!("start {run}: slot {slot}, attempt {attempt}"));
                Ok(())
            }
            Err(why) => self.not_started(key, &why.to_string(), now),
        }
    }

    pub(super) fn hold(&mut self, held: TrackedRun) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        self.held.insert(key, held);
        key
    }

    pub(super) fn say(&mut self, line: &str) {
        self.observer.say(line);
    }

    /// Takes other schedules from now on. Runs that go on are not touched.
    pub fn reload(&mut self, works: JobSchedules) {
        self.works = works;
        if let Err(error) = self.forget_absent() {
            // Then they are forgotten at the next start, or missed when they come back.
            self.say(&format!("warning: schedules that are gone are still remembered: {error}"));
        }
    }

    /// A schedule that is gone is forgotten: for the time in which there was none, nothing was due.
    pub(super) fn forget_absent(&mut self) -> Result<(), StoreError> {
        let known: Vec<&str> = self.works.iter().map(|work| work.name.as_str()).collect();
        self.store.forget_schedules(&known).map(|_| ())
    }

    /// How long it may sleep when nothing wakes it. A run that is being ended or cleared away is looked at again soon, and one that
    /// waits for its time when that comes; the rest is woken for.
    pub fn patience(&self, now: TurnTime) -> Duration {
        let of = |held: &TrackedRun| match held.phase {
            Phase::Ended(..) | Phase::Clearing(_) => SOON,
            Phase::Running(going) if going.ending.is_some() || going.is_fresh => SOON,
            Phase::Running(_) | Phase::Waiting(None) | Phase::Parked => NAP,
            Phase::Waiting(Some(at)) => {
                let left_ms = u64::try_from(at.get() - now.at.get()).unwrap_or_default();
                Duration::from_millis(left_ms).clamp(SOON, NAP)
            }
        };
        self.held.values().map(of).min().unwrap_or(NAP)
    }

    /// When it has something to look at next, by the clock; none where it has at any time. Only what it has in hand can be stopped,
    /// end unseen, or wait for records that cannot be written.
    pub fn due(&self, now: TurnTime) -> Option<UtcMs> {
        if !self.held.is_empty() || !self.events.is_empty() || self.trouble.is_some() {
            return None;
        }
        let mut first = now.at.plus_ms(i64::from(u32::MAX));
        for work in self.works.iter() {
            let Trigger::At(cadence) = &work.schedule.due else { continue };
            // What became due since the last turn is due now, so that it is not slept over.
            let decided = self.store.decided(&work.name).ok()?.map_or(now.at, |known| known.upto);
            let delay_ms = work.delay_ms(&self.settings.machine);
            let next = cadence.next(decided).map(|slot| slot.plus_ms(delay_ms));
            first = first.min(next.unwrap_or(first));
        }
        Some(first)
    }

    /// How many schedules it knows.
    pub fn schedules(&self) -> usize {
        self.works.len()
    }

    /// Whether nothing goes on. Runs may wait.
    pub fn is_idle(&self) -> bool {
        self.held.values().all(|held| held.waits() || held.is_parked())
    }
}

fn paused(pause: Option<&Pause>) -> String {
    pause.map_or("paused".to_owned(), |pause| format!("paused by {}: {}", pause.who, pause.reason))
}
