//! The model on disk: its folder, with a card that tells how it was made and what it was worth.

use super::{
    asked::Asked,
    report::{Data, Overall},
    walk::Ready,
};
use crate::{
    engine::learn::folds::Growth,
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        models,
    },
    manifest::{BarrierUnit, LabelKind, TrainJob, TrainLabel},
    model::{
        card::{self, Card},
        folder::{Files, Made},
    },
};

/// What the card tells besides the model itself.
pub(super) struct About<'a> {
    /// What is trained on what.
    pub(super) job: &'a TrainJob,
    /// What was asked for.
    pub(super) asked: &'a Asked,
    /// What it was trained on.
    pub(super) data: &'a Data,
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
    let files = Files::make(made, |card| describe(card, context, about, ready))
        .map_err(|error| Failure::new(Exit::Bug, format!("the folder of the model: {error}")))?;
    let _lock = context.lock(&context.layout.models_lock())?;
    let home = context.layout.models_dir().join(&about.job.train.name);
    Ok(models::write(context.disk, &home, &files)?.to_string())
}

/// Nothing in it depends on the run: the same bars, settings and build give the same id.
fn describe(card: &mut Card, context: &Context<'_>, about: &About<'_>, ready: &Ready) {
    let &About { job, asked, data, overall, device } = about;
    card.training = Some(card::Training {
        seed: asked.network.seed,
        device: device.to_owned(),
        build: context.build.to_owned(),
    });
    card.label = Some(label(&job.train.label));
    card.folds = Some(card::Folds {
        count: asked.cut.folds,
        growth: match asked.cut.growth {
            Growth::Expanding => card::Growth::Expanding,
            Growth::Rolling => card::Growth::Rolling,
        },
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

fn label(label: &TrainLabel) -> card::Label {
    let bare = card::Label {
        kind: card::LabelKind::ForwardReturn,
        horizon_bars: label.horizon_bars,
        threshold_bps: None,
        unit: None,
        upper: None,
        lower: None,
    };
    match label.kind {
        LabelKind::ForwardReturn => {
            card::Label { threshold_bps: Some(label.threshold_bps), ..bare }
        }
        LabelKind::TripleBarrier => card::Label {
            kind: card::LabelKind::TripleBarrier,
            unit: Some(match label.unit {
                BarrierUnit::Bps => card::LabelUnit::Bps,
                BarrierUnit::Atr => card::LabelUnit::Atr,
            }),
            upper: Some(label.upper),
            lower: Some(label.lower),
            ..bare
        },
    }
}
