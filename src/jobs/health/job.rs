//! The jobs `healthcheck` and `heartbeat`: gather, judge, leave the document, and tell it in the words of whoever asks.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    gather::gather,
    judge::{Judge, judge},
    result::{Figures, Health},
};
use crate::{
    domain::{ids::Tag, time::UtcMs},
    exit::Exit,
    jobs::context::{Context, Failure, Outcome},
    manifest::{HealthExit, HealthJob, HealthMode},
    store::{
        bounded_log::BoundedLog,
        disk::{Disk as _, parent},
        document::document,
    },
};

/// Checks a box.
pub fn healthcheck(context: &Context<'_>, job: &HealthJob) -> Result<Outcome, Failure> {
    let health = examine(context, job, job.health.mode)?;
    Ok(outcome(context, job, &health))
}

/// Checks a box in operator mode, and leaves a line about it.
pub fn heartbeat(context: &Context<'_>, job: &HealthJob) -> Result<Outcome, Failure> {
    let health = examine(context, job, HealthMode::Operator)?;
    let mut outcome = outcome(context, job, &health);
    let line = line(&health, context.started);
    // A disk that is full must not hide the line.
    let log = append(context, job.health.tag.get(), &line);
    let shown = match &log {
        Ok(log) => format!("log: {log}"),
        Err(failure) => format!("log: none: {}", failure.message),
    };
    if let Err(failure) = &log {
        tracing::warn!("the line could not be left: {}", failure.message);
    }
    if !job.health.json {
        outcome.text = format!("{line}\n{shown}\n");
    }
    outcome.out.extend(log.ok().map(|log| ("log".to_owned(), log)));
    Ok(outcome)
}

fn examine(context: &Context<'_>, job: &HealthJob, mode: HealthMode) -> Result<Health, Failure> {
    let table = &job.health;
    let facts = gather(context, job, mode)?;
    let (checks, figures) = judge(&Judge { table, series: &job.series, mode }, &facts);
    let of = (table.tag.to_string(), job.series.to_string());
    Ok(Health::new(of, facts.now, mode, figures, checks))
}

fn outcome(context: &Context<'_>, job: &HealthJob, health: &Health) -> Outcome {
    let mut out = BTreeMap::from([("level".to_owned(), health.list.level.name().to_owned())]);
    let mut text = match job.health.exit {
        HealthExit::Nagios => health.nagios(),
        HealthExit::Plain | HealthExit::Docker => String::new(),
    };
    text.push_str(&health.text(context.drawing));
    // A disk that is full must not hide what was found.
    match leave(context, job, health) {
        Ok(shown) => {
            let _ = write!(text, "\nreport: {shown}\n");
            out.insert("report".to_owned(), shown);
        }
        Err(failure) => tracing::warn!("the report could not be left: {}", failure.message),
    }
    if job.health.json {
        text = document(health);
    }
    Outcome { exit: health.exit(job.health.exit), summary: health.summary(), text, out }
}

fn leave(context: &Context<'_>, job: &HealthJob, health: &Health) -> Result<String, Failure> {
    let path = context.layout.health_report(job.health.tag.get());
    context.disk.create_dir_all(parent(&path))?;
    context.disk.replace(&path, document(health).as_bytes())?;
    Ok(context.shown(&path))
}

/// The most the log and the one before it hold, together.
const LOG_MAX: u64 = 1 << 20;

/// The line: when, the level, how old the last decision is, the cadence, equity, risk state, and the next command where one
/// is needed.
pub fn line(health: &Health, at: UtcMs) -> String {
    let Figures { decision_age_s, clean_trailing_cadence_diffs, equity, risk_state, .. } =
        &health.figures;
    let age = decision_age_s.map_or("none".to_owned(), |age_s| format!("{age_s}s"));
    let equity = equity.as_deref().unwrap_or("none");
    let risk = risk_state.unwrap_or("none");
    let next = health.list.worst().map_or(String::new(), |worst| {
        let next = worst.next.as_ref().map_or(String::new(), |next| format!(" next={next}"));
        format!(" why={}{next}", worst.name)
    });
    format!(
        "{at} {} stale={age} cadence={clean_trailing_cadence_diffs} equity={equity} risk={risk}{next}",
        health.list.level.name()
    )
}

/// Appends it. Returns the log's path.
pub fn append(context: &Context<'_>, tag: &Tag, line: &str) -> Result<String, Failure> {
    let path = context.layout.heartbeat_log(tag);
    context.disk.create_dir_all(parent(&path))?;
    let shown = context.shown(&path);
    BoundedLog::open(&path, LOG_MAX)
        .and_then(|log| log.append(format!("{line}\n").as_bytes()))
        .map_err(|error| Failure::new(Exit::Io, format!("append to {shown}: {error}")))?;
    Ok(shown)
}
