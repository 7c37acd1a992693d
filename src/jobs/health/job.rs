//! The jobs `healthcheck` and `heartbeat`: gather, judge, leave the document, and tell it in the words of whoever asks.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    gather::gather,
    heartbeat,
    judge::{Judge, judge},
    result::Health,
};
use crate::{
    jobs::context::{Context, Failure, Outcome},
    manifest::{HealthExit, HealthJob, HealthMode},
    store::{
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
    let line = heartbeat::line(&health, context.started);
    // A disk that is full must not hide the line.
    let log = heartbeat::append(context, job.health.tag.get(), &line);
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
