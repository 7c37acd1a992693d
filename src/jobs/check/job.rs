//! The shell: makes the checks that are asked for, in their order, and leaves the report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{lookahead::features, sanity::sanity, smoke::smoke, state::state, storage::storage};
use crate::{
    checklist::{Checklist, Level},
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        engine_setup::engine_setup,
        models::ModelSource,
    },
    manifest::{CheckJob, CheckPart, StopFill},
    store::{
        disk::{Disk as _, parent},
        document::document,
    },
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.box-check/1";

/// All checks of a box: `check.json`.
#[derive(Debug, Serialize)]
struct Report {
    schema: &'static str,
    /// The series the box trades.
    series: String,
    #[serde(flatten)]
    list: Checklist,
}

pub fn run(context: &Context<'_>, job: &CheckJob) -> Result<Outcome, Failure> {
    let mut checks = Vec::new();
    for part in CheckPart::ALL.iter().filter(|part| job.check.only.contains(part)) {
        if let Some(signal) = context.stop.signal() {
            return Err(Failure::new(Exit::Signal(signal), "stopped between two checks"));
        }
        checks.extend(match part {
            CheckPart::Sanity => {
                let stop_fill = StopFill::ThroughOpen;
                let found = engine_setup(context, &job.trading, stop_fill, ModelSource::Named);
                sanity(&job.trading, found.map(|found| found.core))
            }
            CheckPart::Storage => storage(context, job)?,
            CheckPart::State => state(context, job)?,
            CheckPart::Features => features(context, job),
            CheckPart::Smoke => smoke(context, &job.trading)?,
        });
    }
    let (series, list) = (job.trading.series.to_string(), Checklist::new(checks));
    let results = Report { schema: SCHEMA, series, list };
    let path = context.layout.check_report(&job.trading.series);
    context.disk.create_dir_all(parent(&path))?;
    context.disk.replace(&path, document(&results).as_bytes())?;
    let exit = if results.list.level == Level::Fail { Exit::Negative } else { Exit::Ok };
    let shown = context.shown(&path);
    let Report { series, list, .. } = &results;
    let summary = list.summary();
    let text = format!("{series}: {summary}\n\n{}\nreport: {shown}\n", list.text(context.drawing));
    let out = BTreeMap::from([
        ("report".to_owned(), shown),
        ("level".to_owned(), list.level.name().to_owned()),
    ]);
    Ok(Outcome { exit, summary, text, out })
}
