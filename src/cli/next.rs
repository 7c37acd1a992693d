//! `runner next`: when schedules are due, on the clocks of their zones.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value, json};

use super::{
    args::NextArgs,
    flags,
    load::LoadError,
    output::{plain, print, print_json, say},
    planned::{self, Planned, short},
    records::Records,
    refuse::{refuse, say_problems, tell},
    table::{row, span, table},
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{
        cadence::{Cadence, ClockChange},
        time::UtcMs,
        zone::Zone,
    },
    exit::Exit,
    jobs::context::Failure,
    manifest::{Schedule, StartOn, Trigger},
    store::runs::{Ahead, Pause, PauseEnd},
};

/// Slots of each schedule when one job is asked for.
const ONE_JOB: u32 = 5;
/// Slots of each schedule when all jobs are.
const ALL_JOBS: u32 = 1;

/// Shows the next slots.
pub fn next(root: &Path, args: &NextArgs, json: bool) -> Exit {
    let (jobs, broken) = match jobs(root, args.job.as_deref()) {
        Ok(found) => found,
        Err(error) => return refuse(error, json),
    };
    let from = flags::time("from", args.from.as_ref());
    let paused = Records::open_if_any(root).and_then(|records| {
        let paused =
            records.as_ref().map(|records| records.store.paused(SystemClock.now())).transpose()?;
        Ok((records, paused.unwrap_or_default()))
    });
    let (from, (records, paused)) = match (from, paused) {
        (Ok(from), Ok(found)) => (from.unwrap_or_else(|| SystemClock.now()), found),
        (Err(failure), _) | (_, Err(failure)) => return tell(&failure, json),
    };
    let count = args.count.unwrap_or(if args.job.is_some() { ONE_JOB } else { ALL_JOBS });
    let coming: Result<Vec<Coming<'_>>, Failure> = jobs
        .iter()
        .flat_map(|job| job.schedules.iter().map(move |schedule| (job, schedule)))
        .map(|(job, schedule)| {
            let coming = Coming::of(job, schedule, from, count, &paused);
            coming.decided(records.as_ref(), SystemClock.now())
        })
        .collect();
    let coming = match coming {
        Ok(coming) => coming,
        Err(failure) => return tell(&failure, json),
    };
    if coming.is_empty() && broken.is_empty() {
        let message = match &args.job {
            Some(job) => {
                format!("job `{job}` has no [[schedule]]: nothing starts it but `runner run`")
            }
            None => "no job in jobs/ has a [[schedule]]".to_owned(),
        };
        return tell(&Failure::new(Exit::Nothing, message), json);
    }
    if json {
        let coming: Vec<Value> = coming.iter().map(|coming| coming.json(from)).collect();
        print_json(&json!({
            "schema": "mjolnir.next/1", "from": from.to_string(), "from_ms": from.get(),
            "schedules": coming, "invalid": broken,
        }));
    } else {
        print(&shown(&coming, from));
    }
    if broken.is_empty() { Exit::Ok } else { Exit::Manifest }
}

/// The jobs with their schedules, and the names of those that have problems. One that is asked for must have none.
fn jobs(root: &Path, job: Option<&str>) -> Result<(Vec<Planned>, Vec<String>), LoadError> {
    if let Some(job) = job {
        return Ok((planned::each(root, Path::new(job))?, Vec::new()));
    }
    let (mut good, mut broken) = (Vec::new(), Vec::new());
    for (name, job) in planned::all(root) {
        match job {
            Ok(job) => good.push(job),
            Err(error) => {
                match error {
                    LoadError::Problems(problems) => say_problems(&problems),
                    LoadError::Unreadable(failure) => say(&format!("error: {}", failure.message)),
                }
                broken.push(name);
            }
        }
    }
    Ok((good, broken))
}

/// The slots of one schedule.
pub struct Coming<'a> {
    /// What records call the schedule.
    pub name: String,
    job: &'a Planned,
    schedule: &'a Schedule,
    slots: Vec<(UtcMs, Option<ClockChange>)>,
    paused: Option<&'a Pause>,
    silent: Option<(UtcMs, Ahead)>,
}

impl<'a> Coming<'a> {
    /// The first `count` slots after `from`.
    pub fn of(
        job: &'a Planned,
        schedule: &'a Schedule,
        from: UtcMs,
        count: u32,
        paused: &'a BTreeMap<String, Pause>,
    ) -> Self {
        let slots = match &schedule.due {
            _ if !schedule.lacks.is_empty() => Vec::new(),
            Trigger::At(cadence) => {
                std::iter::successors(cadence.next(from), |at| cadence.next(*at))
                    .take(count as usize)
                    .map(|at| (at, cadence.clock_change(at)))
                    .collect()
            }
            Trigger::On(_) => Vec::new(),
        };
        let (name, paused) = (job.schedule_name(schedule), paused.get(&job.job));
        Self { name, job, schedule, slots, paused, silent: None }
    }

    /// The same schedule, whose slots are recorded as decided; `at` is now.
    pub fn decided(self, records: Option<&Records>, at: UtcMs) -> Result<Self, Failure> {
        let (Some(records), Trigger::At(_)) = (records, &self.schedule.due) else {
            return Ok(self);
        };
        let known = records.store.decided(&self.name)?;
        let fingerprint = self.schedule.due.fingerprint();
        let upto = known.filter(|known| known.fingerprint == fingerprint).map(|known| known.upto);
        let silent = upto.and_then(|upto| Some((upto, Ahead::of(upto, at)?)));
        Ok(Self { silent, ..self })
    }

    /// Up to when it is silent, since that is decided already.
    pub fn silent(&self) -> Option<(UtcMs, Ahead)> {
        self.silent
    }

    /// The next slot, or the event that makes it due.
    pub fn first(&self) -> Result<UtcMs, &'static str> {
        match (&self.schedule.due, self.slots.first()) {
            _ if !self.schedule.lacks.is_empty() => Err("off"),
            (_, Some((at, _))) => Ok(*at),
            (Trigger::On(StartOn::Start), None) => Err("when the service starts"),
            (Trigger::On(StartOn::Boot), None) => Err("when the machine starts"),
            (Trigger::At(_), None) => Err("never"),
        }
    }

    /// Its slots, each with the change of the clocks that it falls into.
    pub fn slots(&self) -> &[(UtcMs, Option<ClockChange>)] {
        &self.slots
    }

    /// Who keeps the job from being started.
    pub fn paused(&self) -> Option<&Pause> {
        self.paused
    }

    /// The zone of its clock.
    pub fn zone(&self) -> Zone {
        match &self.schedule.due {
            Trigger::At(Cadence::Cron { zone, .. }) => *zone,
            Trigger::At(Cadence::Every(_)) | Trigger::On(_) => Zone::UTC,
        }
    }

    /// What is to be known about a slot, and about the schedule.
    pub fn notes(&self, change: Option<ClockChange>) -> String {
        let mut notes = Vec::new();
        if let Some(change) = change {
            notes.push(said(change).to_owned());
        }
        if let Some((upto, ahead)) = self.silent {
            notes.push(format!("silent until {upto}: {ahead}"));
        }
        for name in &self.schedule.lacks {
            notes.push(format!("param `{name}` has no value"));
        }
        if !self.schedule.jitter.duration().is_zero() {
            notes.push(format!("up to {} later", self.schedule.jitter));
        }
        if let Some(Pause { reason, who, since, until }) = self.paused {
            let until = until.map_or_else(String::new, |until| format!(" until {until}"));
            notes.push(format!("paused since {since}{until} by {}: {}", plain(who), plain(reason)));
        }
        notes.join("; ")
    }

    fn json(&self, from: UtcMs) -> Value {
        let zone = self.zone();
        let slots: Vec<Value> = self
            .slots
            .iter()
            .map(|(at, change)| {
                json!({
                    "utc": at.to_string(), "ms": at.get(), "local": zone.local(*at),
                    "in_ms": at.get() - from.get(), "clock_change": change.map(word),
                })
            })
            .collect();
        let jitter_ms = u64::try_from(self.schedule.jitter.duration().as_millis());
        json!({
            "schedule": self.name, "job": self.job.job, "path": self.job.path,
            "due": short(&self.schedule.due), "zone": zone.to_string(),
            "jitter_ms": jitter_ms.unwrap_or(u64::MAX), "slots": slots,
            "when": self.first().err(), "lacks": self.schedule.lacks, "paused": self.paused.map(pause_json),
            "silent_until_ms": self.silent.map(|(upto, _)| upto.get()),
        })
    }
}

/// A pause as a document.
pub fn pause_json(pause: &Pause) -> Value {
    json!({
        "reason": pause.reason, "who": pause.who, "since_ms": pause.since.get(),
        "until_ms": pause.until.map(UtcMs::get),
    })
}

/// Pauses of a job that are over and still shown.
pub const ENDED_PAUSES_MAX: u32 = 10;

/// A pause that is over as the fields of a document.
pub fn ended_pause_json(pause: &Pause, end: &PauseEnd) -> Map<String, Value> {
    let fields = [
        ("since_ms", json!(pause.since.get())),
        ("who", json!(pause.who)),
        ("reason", json!(pause.reason)),
        ("ended_ms", json!(end.at.get())),
        ("ended_by", json!(end.who)),
        ("ended_why", json!(end.reason)),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn shown(coming: &[Coming<'_>], from: UtcMs) -> String {
    let mut timed: Vec<(UtcMs, Vec<String>)> = Vec::new();
    let mut others = Vec::new();
    for each in coming {
        for (at, change) in &each.slots {
            let ms = u64::try_from(at.get() - from.get()).unwrap_or_default();
            let zone = each.zone();
            let local = format!("{} {zone}", zone.local(*at));
            let (at_text, wait) = (at.to_string(), format!("in {}", span(ms)));
            let notes = each.notes(*change);
            timed.push((*at, row([&at_text, &each.name, &wait, &local, &notes])));
        }
        if let Err(when) = each.first() {
            others.push(row(["-", &each.name, when, "-", &each.notes(None)]));
        }
    }
    timed.sort_by_key(|(at, _)| *at);
    let head = row(["UTC", "SCHEDULE", "WAIT", "LOCAL", "NOTES"]);
    let rows = timed.into_iter().map(|(_, row)| row).chain(others);
    table("", &std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn said(change: ClockChange) -> &'static str {
    match change {
        ClockChange::Shifted => "shifted: its time does not exist that day, clocks are set ahead",
        ClockChange::FirstPass => "first pass: this time comes twice that day, clocks are set back",
        ClockChange::SecondPass => {
            "second pass: this time comes twice that day, clocks are set back"
        }
    }
}

fn word(change: ClockChange) -> &'static str {
    match change {
        ClockChange::Shifted => "shifted",
        ClockChange::FirstPass => "first_pass",
        ClockChange::SecondPass => "second_pass",
    }
}
