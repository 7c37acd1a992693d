//! The shell: loads bars, checks that nothing peeks, fits every fold, tests it, and publishes the last model with its report.

use super::{
    dataset::{PROBES, Recipe, rows_of},
    label_shuffle_check::label_shuffle_check,
    output::{About, publish, write_output},
    report::{Checks, Overall, SCHEMA, TrainData, TrainReport},
    settings::TrainSettings,
    walk_forward::{FittedAll, WalkForward, fit_all},
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{bar::TimedBar, time::UtcMs},
    engine::{
        learn::{lookahead::probes, rows::TrainRows},
        model::Normaliser,
    },
    exit::Exit,
    jobs::{
        compute::{
            fit_process::{Keeping, fit_here},
            trainer::{Checkpoints, Trainer},
        },
        context::{Context, Failure, Outcome},
        engine_setup,
    },
    manifest::TrainJob,
    model::train::{Fitted, Task},
    store::{digest::sha256_hex, raw::RawStore},
};

pub fn run(context: &Context<'_>, job: &TrainJob) -> Result<Outcome, Failure> {
    let asked = TrainSettings::of(job)?;
    let _lock = context.lock(&context.layout.named_lock(&format!("train-{}", context.job)))?;
    let bars = bars(context, job)?;
    let walk = WalkForward::new(job, &asked, &bars);
    let rows = rows(context, job, &asked, (&walk, &bars))?;
    let legs = walk.legs(&rows)?;
    let first = &legs[0];
    let model = |fitted: &Fitted, scale: &Normaliser| walk.model(fitted, scale);
    let fit =
        |task: &Task<'_>| fit_here(context, ("canary", task), None, &mut |_| {}).map(|(it, _)| it);
    let area =
        label_shuffle_check(&rows, (&first.parts, &first.normaliser), &asked.logistic, fit, model)?;
    let sha256 = sha256_of(&rows);
    let trainer = Trainer::new(context, &job.compute)?;
    let checkpoints = Checkpoints::open(context, key(context, job, &sha256))?;
    let fits = walk.fits(&legs);
    let began = SystemClock.now();
    let kept = Keeping { checkpoints: &checkpoints, every: job.train.fit.checkpoint_epochs };
    let FittedAll { fitted, rows_seen } = fit_all((context, &trainer), &rows, &fits, kept)?;
    let took_ms = SystemClock.now().get() - began.get();
    context.progress.begin("test", 0);
    let (folds, ready) = walk.tested(&rows, &legs, &fitted)?;
    context.progress.end();
    let data = data(&bars, &rows, sha256);
    let overall = Overall::of(&folds);
    let device = trainer.device();
    let about = About { job, asked: &asked, data: &data, overall: &overall, device: &device };
    let report = TrainReport {
        schema: SCHEMA.to_owned(),
        name: job.train.name.clone(),
        model: publish(context, &about, &ready)?,
        run: context.run_id.to_string(),
        build: context.build.to_owned(),
        device,
        series: job.trading.series.to_string(),
        asked: serde_json::to_value(&job.train).expect("plain values serialise"),
        data,
        checks: Checks {
            rows_without_future: probes(&rows, PROBES, asked.network.seed).len(),
            mixed_labels_auc: area.map_or(0.5, |area| area.auc),
            mixed_labels_error: area.map_or(0.0, |area| area.error),
        },
        overall,
        folds,
        settings: engine_setup::settings(&job.trading)?,
        published: ready.published,
    };
    let outcome =
        write_output(context, &report, rows_seen as f64 * 1_000.0 / took_ms.max(1) as f64)?;
    checkpoints.clear()?;
    Ok(outcome)
}

/// The bars of the window that is asked for.
fn bars(context: &Context<'_>, job: &TrainJob) -> Result<Vec<TimedBar>, Failure> {
    let series = &job.trading.series;
    let day = |ts_ms: Option<i64>, without: i64| {
        ts_ms.map_or(without, |ts_ms| UtcMs::EPOCH.plus_ms(ts_ms - series.timeframe().ms()).day())
    };
    let (start, end) = (job.train.start_ts_ms, job.train.end_ts_ms);
    let raw = RawStore::new(context.layout, context.disk, series);
    let mut bars = raw.load(day(start, i64::MIN), day(end, i64::MAX))?;
    bars.retain(|bar| {
        start.is_none_or(|start| start <= bar.ts.ts_ms())
            && end.is_none_or(|end| bar.ts.ts_ms() <= end)
    });
    if bars.is_empty() {
        let dir = context.shown(&context.layout.raw_dir(series));
        let message = format!(
            "{dir} does not have bars of {series} to learn from: import or fetch them first, or make some up: runner run jobs/made-up.toml"
        );
        return Err(Failure::new(Exit::Nothing, message));
    }
    Ok(bars)
}

/// The rows, checked to know nothing they may not know.
fn rows(
    context: &Context<'_>,
    job: &TrainJob,
    asked: &TrainSettings,
    (walk, bars): (&WalkForward<'_>, &[TimedBar]),
) -> Result<TrainRows, Failure> {
    context.progress.begin("rows", 0);
    let core = walk.blank()?;
    let recipe = Recipe {
        strategy: &core.strategy,
        blocks: core.blocks(job.trading.series.timeframe()),
        width: asked.features.len(),
        range: asked.range,
        seed: asked.network.seed,
    };
    let rows = rows_of(&recipe, bars, |bars, at, atr| asked.labelling.label(bars, at, atr))?;
    context.progress.end();
    Ok(rows)
}

/// Names everything that a fit depends on.
fn key(context: &Context<'_>, job: &TrainJob, rows: &str) -> String {
    let asked = serde_json::to_string(&job.train).expect("plain values serialise");
    sha256_hex(format!("{}\n{asked}\n{rows}\n", context.build).as_bytes())
}

/// sha256 of the rows: slots, ends of labels, classes, bits of the inputs.
fn sha256_of(rows: &TrainRows) -> String {
    let mut bytes = Vec::with_capacity(rows.len() * (17 + 8 * rows.width()));
    for row in 0..rows.len() {
        bytes.extend(rows.slots()[row].ts_ms().to_le_bytes());
        bytes.extend(rows.ends()[row].ts_ms().to_le_bytes());
        bytes.push(rows.classes()[row].place() as u8);
        bytes.extend(rows.inputs(row).iter().flat_map(|x| x.to_bits().to_le_bytes()));
    }
    sha256_hex(&bytes)
}

fn data(bars: &[TimedBar], rows: &TrainRows, sha256: String) -> TrainData {
    let end = |bar: Option<&TimedBar>| bar.map_or(0, |bar| bar.ts.ts_ms());
    let all: Vec<usize> = (0..rows.len()).collect();
    TrainData {
        bars: bars.len(),
        window: [end(bars.first()), end(bars.last())],
        rows: rows.len(),
        classes: rows.counts(&all),
        sha256,
    }
}
