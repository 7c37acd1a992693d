//! What a training leaves: the folder of the model with its card, `report.json`, `report.svg`, a table, and the name of the newest model.

use std::collections::BTreeMap;

use super::{
    picture::picture,
    report::{Overall, TrainData, TrainReport, summary, table},
    settings::TrainSettings,
    walk_forward::Ready,
};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure, Outcome},
        models,
    },
    manifest::{LabelKind, TrainJob, TrainLabel},
    model::{
        card::{self, ModelCard},
        folder::{Made, ModelFiles},
    },
    report::training::{TrainingPage, training_page},
    store::{disk::Disk as _, document::document},
};

/// What the card tells besides the model itself.
pub(super) struct About<'a> {
    /// What is trained on what.
    pub(super) job: &'a TrainJob,
    /// What was asked for.
    pub(super) asked: &'a TrainSettings,
    /// What it was trained on.
    pub(super) data: &'a TrainData,
    /// What such models were worth on bars they had not seen.
    pub(super) overall: &'a Overall,
    /// Where it was computed.
    pub(super) device: &'a str,
}

/// Writes the folder of the model and returns its id.
pub(super) fn publish(
    context: &Context<'_>,
    about: &About<'_>,
    ready: &Ready,
) -> Result<String, Failure> {
    let made = Made {
        features: &about.asked.features,
        normaliser: &ready.normaliser,
        layers: &ready.fitted.layers,
        activation: about.asked.network.activation,
    };
    let files = ModelFiles::make(made, |card| describe(card, context, about, ready))
        .map_err(|error| Failure::new(Exit::Bug, format!("the folder of the model: {error}")))?;
    let _lock = context.lock(&context.layout.models_lock())?;
    let home = context.layout.models_dir().join(&about.job.train.name);
    Ok(models::write(context.disk, &home, &files)?.to_string())
}

/// Nothing in it depends on the run: the same bars, settings and build give the same id.
fn describe(card: &mut ModelCard, context: &Context<'_>, about: &About<'_>, ready: &Ready) {
    let &About { job, asked, data, overall, device } = about;
    card.training = Some(card::Training {
        seed: asked.network.seed,
        device: device.to_owned(),
        build: context.build.to_owned(),
    });
    card.label = Some(label(&job.train.label));
    card.folds = Some(card::Folds {
        count: asked.cut.folds,
        growth: asked.cut.growth,
        train_min: asked.cut.train_min,
        validation: asked.cut.validation,
        embargo_bars: asked.cut.embargo,
    });
    card.data = Some(card::DataWindow {
        series: job.trading.series.to_string(),
        first_ts_ms: data.window[0],
        last_ts_ms: data.window[1],
        bars: data.bars as u64,
        rows: data.rows as u64,
        classes: data.classes.map(|n| n as u64),
        sha256: data.sha256.clone(),
    });
    card.metrics = Some(card::Metrics {
        log_loss: overall.network.log_loss,
        prior_log_loss: overall.prior_log_loss,
        auc: overall.network.auc,
        accuracy: overall.network.accuracy,
        calibration_error: overall.network.calibration_error,
        net: overall.network.net,
        trades: overall.network.trades,
        threshold: ready.published.threshold,
    });
}

fn label(label: &TrainLabel) -> card::CardLabel {
    let bare = card::CardLabel {
        kind: LabelKind::ForwardReturn,
        horizon_bars: label.horizon_bars,
        threshold_bps: None,
        unit: None,
        upper: None,
        lower: None,
    };
    match label.kind {
        LabelKind::ForwardReturn => {
            card::CardLabel { threshold_bps: Some(label.threshold_bps), ..bare }
        }
        LabelKind::TripleBarrier => card::CardLabel {
            kind: LabelKind::TripleBarrier,
            unit: Some(label.unit),
            upper: Some(label.upper),
            lower: Some(label.lower),
            ..bare
        },
    }
}

/// Writes the report. `rows_per_second` are training rows.
pub(super) fn write_output(
    context: &Context<'_>,
    report: &TrainReport,
    rows_per_second: f64,
) -> Result<Outcome, Failure> {
    let dir = context.layout.train_report_dir(&report.name, &report.model);
    context.disk.create_dir_all(&dir)?;
    let (json, svg) = (dir.join("report.json"), dir.join("report.svg"));
    let drawn = picture(report)
        .map_err(|error| Failure::new(Exit::Bug, format!("the picture of the report: {error}")))?;
    let html = dir.join("report.html");
    let page = training_page(&TrainingPage {
        name: &report.name,
        model: &report.model,
        summary: &summary(report),
        text: &table(report),
        picture: &drawn,
        build: context.build,
    });
    context.disk.replace(&html, page.as_bytes())?;
    context.disk.replace(&svg, drawn.as_bytes())?;
    context.disk.replace(&json, document(report).as_bytes())?;
    let latest = context.layout.train_latest(&report.name);
    context.disk.replace(&latest, format!("{}\n", report.model).as_bytes())?;
    let [json, svg, html] = [json, svg, html].map(|path| context.shown(&path));
    let (overall, published) = (&report.overall, &report.published);
    let model = context.layout.models_dir().join(&report.name).join(&report.model);
    let out = [
        ("name", report.name.clone()),
        ("model_id", report.model.clone()),
        ("model", context.shown(&model)),
        ("threshold", published.threshold.to_string()),
        ("validation_start_ts_ms", published.validation.window[0].to_string()),
        ("validation_end_ts_ms", published.validation.window[1].to_string()),
        ("report", json.clone()),
        ("picture", svg.clone()),
        ("page", html.clone()),
        ("log_loss", overall.network.log_loss.to_string()),
        ("prior_log_loss", overall.prior_log_loss.to_string()),
        ("auc", overall.network.auc.map_or_else(String::new, |auc| auc.to_string())),
        ("net", overall.network.net.to_string()),
        ("rows_per_second", format!("{rows_per_second:.0}")),
    ];
    let text = format!(
        "{}{rows_per_second:.0} training rows per second\nreport: {json}\npicture: {svg}\npage: {html}\n",
        table(report)
    );
    let out: BTreeMap<String, String> =
        out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(Outcome { exit: Exit::Ok, summary: summary(report), text, out })
}
