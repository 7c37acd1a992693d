//! What the manifest asks for, as the values that the arithmetic takes.

use crate::{
    domain::time::DAY_MS,
    engine::{
        learn::{
            label::{Barriers, Labelling, Question},
            rows::FoldSettings,
        },
        model::{Feature, network::LAYERS_MAX},
    },
    exit::Exit,
    jobs::context::Failure,
    language::{FEATURES_MAX, kernels::window::Length},
    manifest::{BarrierUnit, LabelKind, Train, TrainJob, TrainLabel},
    model::train::FitSettings,
};

/// Basis points in one.
const BPS: f64 = 10_000.0;
/// Hidden layers a network may have: the scorer takes one more.
const HIDDEN_MAX: usize = LAYERS_MAX - 1;
/// An epoch is better only if it is by this much, in nats.
const IMPROVEMENT_MIN: f64 = 1e-5;

/// Everything that is asked for.
#[derive(Debug, Clone)]
pub(super) struct TrainSettings {
    /// What the model sees.
    pub(super) features: Vec<Feature>,
    /// The question.
    pub(super) labelling: Labelling,
    /// Bars of the average true range that its barriers are measured with.
    pub(super) range: Length,
    /// How rows are cut in time.
    pub(super) cut: FoldSettings,
    /// How the model learns.
    pub(super) network: FitSettings,
    /// How the baseline learns: the same, without a hidden layer.
    pub(super) logistic: FitSettings,
}

impl TrainSettings {
    /// Checks what the schema cannot say.
    pub(super) fn of(job: &TrainJob) -> Result<Self, Failure> {
        let train = &job.train;
        let labelling = labelling(&train.label)?;
        let network = settings(train)?;
        let logistic = FitSettings { hidden: Vec::new(), ..network.clone() };
        let bars_per_day = (DAY_MS / job.trading.series.timeframe().ms()) as u32;
        let folds = &train.folds;
        let embargo = folds.embargo_bars.unwrap_or(bars_per_day.max(labelling.reach()));
        let cut = FoldSettings {
            folds: folds.count,
            train_min: folds.train_min,
            validation: folds.validation,
            embargo,
            growth: folds.growth,
        };
        let atr = train.label.atr;
        let range = Length::new(atr).ok_or_else(|| {
            refused(format!("`train.label.atr` is {atr}, 1 to {} are accepted", Length::MAX))
        })?;
        let features = features(&train.features)?;
        Ok(Self { features, labelling, range, cut, network, logistic })
    }
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Manifest, message)
}

fn features(names: &[String]) -> Result<Vec<Feature>, Failure> {
    if names.len() > FEATURES_MAX {
        let many = names.len();
        return Err(refused(format!(
            "`train.features` has {many} names, at most {FEATURES_MAX} are accepted"
        )));
    }
    let mut features: Vec<Feature> = Vec::with_capacity(names.len());
    for name in names {
        let feature: Feature =
            name.parse().map_err(|error| refused(format!("`train.features`: {error}")))?;
        if features.contains(&feature) {
            return Err(refused(format!("`train.features` names {feature} twice: take one out")));
        }
        features.push(feature);
    }
    Ok(features)
}

fn labelling(label: &TrainLabel) -> Result<Labelling, Failure> {
    let question = match (label.kind, label.unit) {
        (LabelKind::ForwardReturn, _) => {
            Question::ForwardReturn { threshold: label.threshold_bps / BPS }
        }
        (LabelKind::TripleBarrier, BarrierUnit::Bps) => Question::TripleBarrier(Barriers::Parts {
            upper: label.upper / BPS,
            lower: label.lower / BPS,
        }),
        (LabelKind::TripleBarrier, BarrierUnit::Atr) => {
            Question::TripleBarrier(Barriers::Atrs { upper: label.upper, lower: label.lower })
        }
    };
    Labelling::new(question, label.horizon_bars).ok_or_else(|| {
        refused(
            "[train.label]: distances must be positive, and a lower barrier below 10000 bps away",
        )
    })
}

fn settings(train: &Train) -> Result<FitSettings, Failure> {
    let fit = &train.fit;
    if fit.hidden.len() > HIDDEN_MAX {
        let many = fit.hidden.len();
        return Err(refused(format!(
            "`train.fit.hidden` has {many} layers, at most {HIDDEN_MAX} are accepted"
        )));
    }
    Ok(FitSettings {
        hidden: fit.hidden.iter().map(|width| *width as usize).collect(),
        activation: fit.activation,
        epochs_max: fit.epochs_max,
        batch: fit.batch as usize,
        learning_rate: fit.learning_rate,
        weight_decay: fit.weight_decay,
        patience: fit.patience,
        improvement_min: IMPROVEMENT_MIN,
        weighting: fit.class_weights,
        seed: u64::from(train.seed),
    })
}
