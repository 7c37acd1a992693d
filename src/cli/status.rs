//! `runner status`: the service, what runs and waits, each schedule, open incidents, each loop.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    next::{Coming, pause_json},
    output::{plain, print, print_json},
    planned::{self, Planned},
    records::{Records, run_json},
    refuse::tell,
    table::{ago, row, span, table},
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{series::Series, time::UtcMs},
    exit::Exit,
    jobs::{
        context::Failure,
        ledgers::{LedgerStanding, series_of, standing, tags},
    },
    manifest::Kind,
    serve::status::PoolStatus,
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
        lock::is_held,
        runs::{Ahead, Incident, Pause, RunFilter, RunRecord, RunState, StepsRecord},
    },
};

/// A service writes its tick every 5 s; one that has not for so long hangs.
const TICK_MAX_MS: i64 = 20_000;

/// Everything that is shown.
struct Status {
    now: UtcMs,
    service: Service,
    going: Vec<RunRecord>,
    schedules: Vec<ScheduleRow>,
    invalid: Vec<String>,
    incidents: Vec<Incident>,
    approvals: Vec<Asked>,
    loops: Vec<Loop>,
}

/// A step of a pipeline that waits for an approval.
struct Asked {
    run: String,
    job: String,
    step: String,
    text: String,
    since: Option<UtcMs>,
}

/// The service, by its lock and its tick document, of which any part may be absent.
struct Service {
    is_up: bool,
    tick: Option<Value>,
}

struct ScheduleRow {
    name: String,
    last: Option<RunRecord>,
    next: Result<UtcMs, &'static str>,
    paused: Option<Pause>,
    silent: Option<(UtcMs, Ahead)>,
}

struct Loop {
    tag: String,
    series: Series,
    /// Whether a loop holds the ledger.
    is_up: bool,
    stands: Option<LedgerStanding>,
}

/// Shows how everything stands.
pub fn status(root: &Path, json: bool) -> Exit {
    match gather(root) {
        Ok(status) => {
            if json {
                print_json(&status.json());
            } else {
                print(&status.text());
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn gather(root: &Path) -> Result<Status, Failure> {
    let layout = Layout::new(root);
    if !layout.data().is_dir() {
        let message = format!("nothing has run here: {} does not exist", layout.data().display());
        return Err(Failure::new(Exit::Nothing, message));
    }
    let now = SystemClock.now();
    let records = Records::open_if_any(root)?;
    let (mut going, mut incidents, mut pauses) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut approvals = Vec::new();
    if let Some(records) = &records {
        for state in [RunState::Running, RunState::Waiting, RunState::Queued] {
            let filter =
                RunFilter { state: Some(state), limit: Some(u32::MAX), ..RunFilter::default() };
            going.extend(records.list(&filter)?);
        }
        approvals = asked(records, &going)?;
        incidents = records.store.incidents(None)?;
        incidents.retain(|incident| incident.over.is_none());
        pauses = records.store.paused(now)?;
    }
    let (mut schedules, mut invalid) = (Vec::new(), Vec::new());
    for (name, job) in planned::all(root) {
        match job {
            Ok(job) => schedules.extend(rows(&job, records.as_ref(), now, &pauses)?),
            Err(_) => invalid.push(name),
        }
    }
    let disk = RealDisk::new(layout.data());
    let service = service(&disk, &layout)?;
    let loops = loops(&disk, &layout)?;
    Ok(Status { now, service, going, schedules, invalid, incidents, approvals, loops })
}

/// The steps that wait for an approval, of the pipelines that are not over.
fn asked(records: &Records, going: &[RunRecord]) -> Result<Vec<Asked>, Failure> {
    let mut all = Vec::new();
    for run in going.iter().filter(|run| run.kind == Kind::Pipeline.name()) {
        let steps = StepsRecord::read(&records.disk, &records.layout, &run.run_id)?;
        let given = records.store.approvals(&run.run_id, run.attempt)?;
        for (step, approve) in steps.iter().flat_map(StepsRecord::asking) {
            // One that was approved a moment ago starts soon.
            if given.iter().any(|given| given.step == step.id) {
                continue;
            }
            all.push(Asked {
                run: run.run_id.to_string(),
                job: run.job.clone(),
                step: step.id.clone(),
                text: approve.text.clone(),
                since: approve.asked_ms.and_then(|ms| UtcMs::new(ms).ok()),
            });
        }
    }
    Ok(all)
}

fn service(disk: &RealDisk, layout: &Layout) -> Result<Service, Failure> {
    let tick = disk.read(&layout.scheduler_tick())?;
    let tick = tick.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Service { is_up: is_held(&layout.scheduler_lock()), tick })
}

fn rows(
    job: &Planned,
    records: Option<&Records>,
    now: UtcMs,
    pauses: &BTreeMap<String, Pause>,
) -> Result<Vec<ScheduleRow>, Failure> {
    let mut rows = Vec::new();
    for schedule in &job.schedules {
        let coming = Coming::of(job, schedule, now, 1, pauses).decided(records, now)?;
        let filter = RunFilter {
            schedule: Some(coming.name.clone()),
            limit: Some(1),
            ..RunFilter::default()
        };
        let last = match records {
            Some(records) => records.list(&filter)?.pop(),
            None => None,
        };
        let (next, paused, silent) = (coming.first(), coming.paused().cloned(), coming.silent());
        rows.push(ScheduleRow { name: coming.name, last, next, paused, silent });
    }
    Ok(rows)
}

fn loops(disk: &RealDisk, layout: &Layout) -> Result<Vec<Loop>, Failure> {
    let mut loops = Vec::new();
    for tag in tags(disk, layout)? {
        for series in series_of(disk, layout, &tag)? {
            let stands = standing(disk, layout, &tag, &series)?;
            let is_up = is_held(&layout.decisions_lock(&tag, &series));
            loops.push(Loop { tag: tag.to_string(), series, is_up, stands });
        }
    }
    Ok(loops)
}

impl Service {
    fn number(&self, name: &str) -> Option<i64> {
        self.tick.as_ref()?.get(name)?.as_i64()
    }

    fn instant(&self, name: &str) -> Option<UtcMs> {
        UtcMs::new(self.number(name)?).ok()
    }

    /// The pools, as the service that is up saw them last.
    fn pools(&self) -> Vec<PoolStatus> {
        let pools = self.tick.as_ref().filter(|_| self.is_up).and_then(|tick| tick.get("pools"));
        pools.and_then(|pools| serde_json::from_value(pools.clone()).ok()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(plain(self.tick.as_ref()?.get(name)?.as_str()?))
    }

    /// `up`, `down`, or `hangs` when it lives and does not tick.
    fn state(&self, now: UtcMs) -> &'static str {
        let is_late = self.instant("tick_ms").is_some_and(|at| now.get() - at.get() > TICK_MAX_MS);
        match (self.is_up, is_late) {
            (true, false) => "up",
            (true, true) => "hangs",
            (false, _) => "down",
        }
    }

    fn line(&self, now: UtcMs) -> String {
        let mut parts = vec![self.state(now).to_owned()];
        if let Some(at) = self.instant("tick_ms") {
            parts.push(format!("last tick {}", ago(at, now)));
        }
        if let Some(at) = self.instant("started_ms") {
            parts.push(format!("started {at} ({})", ago(at, now)));
        }
        if let Some(pid) = self.number("pid") {
            parts.push(format!("pid {pid}"));
        }
        for (name, before) in [("build", "build"), ("listen", "listens on")] {
            parts.extend(self.text(name).map(|value| format!("{before} {value}")));
        }
        if self.tick.is_none() {
            parts.push("no tick is recorded: start it with `runner serve`".to_owned());
        }
        parts.join(", ")
    }
}

impl Status {
    fn text(&self) -> String {
        let now = self.now;
        let mut text = format!("service  {}\n", self.service.line(now));
        let silent = self.schedules.iter().filter_map(|schedule| schedule.silent);
        if let Some((_, ahead)) = silent.max() {
            let _ = writeln!(
                text,
                "scheduler fail: {ahead}: schedules are silent; if it was wrong once, `runner rewind --reason ...` takes that back"
            );
        }
        section(&mut text, "runs", "none goes on or waits", &self.going, |run| {
            let (id, state) = (run.run_id.as_str(), run.state.name());
            row([state, id, &run.job, &ago(run.started, now), &self.waits(run)])
        });
        section(&mut text, "schedules", "none", &self.schedules, |schedule| {
            let last = schedule.last.as_ref().map_or_else(
                || "never".to_owned(),
                |run| format!("{} {}", run.state.name(), ago(run.started, now)),
            );
            let next = match schedule.next {
                _ if schedule.silent.is_some() => {
                    let upto = schedule.silent.map(|(upto, _)| upto.to_string());
                    format!("silent until {}", upto.unwrap_or_default())
                }
                Ok(at) => format!("next {at} ({})", ago(at, now)),
                Err(when) => format!("next {when}"),
            };
            let paused = schedule.paused.as_ref().map_or_else(String::new, |pause| {
                let until = pause.until.map_or_else(String::new, |at| format!(" until {at}"));
                format!("paused{until} by {}: {}", plain(&pause.who), plain(&pause.reason))
            });
            row([&schedule.name, &last, &next, &paused])
        });
        if !self.incidents.is_empty() {
            section(&mut text, "incidents", "none", &self.incidents, |incident| {
                let since = format!("{} ({})", incident.since, ago(incident.since, now));
                let times = format!("{} times", incident.times);
                let name = format!("{} {}", incident.id.job, incident.id.trouble.name());
                row([&name, &since, &times])
            });
        }
        self.waiting_text(&mut text);
        section(&mut text, "loops", "none", &self.loops, |found| {
            let Loop { tag, series, is_up, stands } = found;
            let up = if *is_up { "up" } else { "down" };
            let Some(LedgerStanding { slot, position, equity, risk }) = stands else {
                return row([tag, &series.to_string(), up, "nothing decided"]);
            };
            let at = slot.close();
            let last = format!("decided {at} ({})", ago(at, now));
            let (position, equity) = (plain(position), format!("equity {}", plain(equity)));
            row([tag, &series.to_string(), up, &position, &equity, &plain(risk), &last])
        });
        for name in &self.invalid {
            let _ = writeln!(text, "invalid  jobs/{name}.toml: `runner check` says why");
        }
        text
    }

    /// What waits for a place, and what waits for people.
    fn waiting_text(&self, text: &mut String) {
        let now = self.now;
        let pools = self.service.pools();
        if !pools.is_empty() {
            section(text, "pools", "none", &pools, |pool| {
                let taken = format!("{} of {} taken", pool.running.len(), pool.size);
                let by = if pool.running.is_empty() {
                    String::new()
                } else {
                    format!("by {}", pool.running.join(", "))
                };
                let waiting = if pool.waiting.is_empty() {
                    "nothing waits".to_owned()
                } else {
                    format!("waiting: {}", pool.waiting.join(", "))
                };
                row([&pool.pool, &taken, &by, &waiting])
            });
        }
        if !self.approvals.is_empty() {
            section(text, "approvals", "none", &self.approvals, |asked| {
                let since = asked.since.map_or_else(String::new, |at| ago(at, now));
                let type_ = format!("`runner approve {} {} --reason ...`", asked.run, asked.step);
                row([&asked.job, &asked.step, &since, &plain(&asked.text), &type_])
            });
        }
    }

    fn waits(&self, run: &RunRecord) -> String {
        let later = run.not_before.filter(|at| *at > self.now);
        later.map_or_else(String::new, |at| {
            let ms = u64::try_from(at.get() - self.now.get()).unwrap_or_default();
            format!("attempt {} in {}", run.attempt, span(ms))
        })
    }

    fn json(&self) -> Value {
        let (now, service) = (self.now, &self.service);
        let age = |at: Option<UtcMs>| at.map(|at| now.get() - at.get());
        let going: Vec<Value> = self
            .going
            .iter()
            .map(|run| {
                let mut document = run_json(run);
                document["age_ms"] = json!(now.get() - run.started.get());
                document
            })
            .collect();
        let schedules: Vec<Value> = self
            .schedules
            .iter()
            .map(|schedule| {
                json!({
                    "schedule": schedule.name, "last": schedule.last.as_ref().map(run_json),
                    "next_ms": schedule.next.ok().map(UtcMs::get), "when": schedule.next.err(),
                    "paused": schedule.paused.as_ref().map(pause_json),
                    "silent_until_ms": schedule.silent.map(|(upto, _)| upto.get()),
                })
            })
            .collect();
        let incidents: Vec<Value> = self
            .incidents
            .iter()
            .map(|incident| {
                json!({
                    "job": incident.id.job, "trouble": incident.id.trouble.name(), "run_id": incident.run.as_str(), "since_ms": incident.since.get(),
                    "told_ms": incident.told.map(UtcMs::get), "times": incident.times,
                })
            })
            .collect();
        let loops: Vec<Value> = self
            .loops
            .iter()
            .map(|Loop { tag, series, is_up, stands }| {
                let last = stands.as_ref().map(|stands| stands.slot.close());
                let stands = stands.as_ref();
                json!({
                    "tag": tag, "exchange": series.exchange().as_str(),
                    "symbol": series.symbol().to_string(), "timeframe": series.timeframe().name(),
                    "last_decided_ms": last.map(UtcMs::get), "age_ms": age(last), "up": is_up,
                    "position": stands.map(|stands| &stands.position), "equity": stands.map(|stands| &stands.equity),
                    "risk": stands.map(|stands| &stands.risk),
                })
            })
            .collect();
        let approvals: Vec<Value> = self
            .approvals
            .iter()
            .map(|asked| {
                json!({
                    "run_id": asked.run, "job": asked.job, "step": asked.step, "text": asked.text,
                    "since_ms": asked.since.map(UtcMs::get),
                })
            })
            .collect();
        json!({
            "schema": "mjolnir.status/1", "now_ms": now.get(),
            "service": {
                "state": service.state(now), "up": service.is_up,
                "tick_age_ms": age(service.instant("tick_ms")), "tick": service.tick,
            },
            "runs": going, "schedules": schedules, "invalid": self.invalid,
            "incidents": incidents, "approvals": approvals, "loops": loops,
        })
    }
}

/// A heading with a table below it, or a word instead of an empty one.
fn section<T>(
    text: &mut String,
    heading: &str,
    nothing: &str,
    items: &[T],
    shown: impl Fn(&T) -> Vec<String>,
) {
    if items.is_empty() {
        let _ = writeln!(text, "{heading:9}{nothing}");
        return;
    }
    let rows: Vec<Vec<String>> = items.iter().map(shown).collect();
    let _ = write!(text, "{heading}\n{}", table("  ", &rows));
}
