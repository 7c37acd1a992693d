//! The tables of train and promote: what a model is asked, what it learns from, and when it takes the place of another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::{
        learn::{
            label::{BarrierUnit, LabelKind},
            rows::FoldGrowth,
        },
        model::{Activation, network::WIDTH_MAX},
    },
    language::kernels::window::Length,
    setting::words,
};

/// The question a model is asked. It sees the bars up to a close; the answer begins at the next open.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TrainLabel {
    /// Which question.
    pub kind: LabelKind,
    /// How many bars the answer takes.
    #[schemars(range(min = 1, max = 10000))]
    pub horizon_bars: u32,
    /// Smallest move that counts, in basis points. What a round trip costs is a sensible one. Of `forward_return` only.
    #[schemars(range(min = 0, max = 10000))]
    pub threshold_bps: f64,
    /// What the distances of the barriers are measured in. Of `triple_barrier` only.
    pub unit: BarrierUnit,
    /// Bars of the average true range. Of `unit` = "atr" only.
    #[schemars(range(min = 1, max = Length::MAX))]
    pub atr: u32,
    /// Distance of the upper barrier from the entry. Of `triple_barrier` only.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub upper: f64,
    /// Distance of the lower barrier from the entry. Of `triple_barrier` only.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub lower: f64,
}

impl Default for TrainLabel {
    fn default() -> Self {
        Self {
            kind: LabelKind::ForwardReturn,
            horizon_bars: 12,
            threshold_bps: 20.0,
            unit: BarrierUnit::Atr,
            atr: 14,
            upper: 2.0,
            lower: 2.0,
        }
    }
}

/// How rows are cut in time: training, validation, test, one after another, and no label of one reaches into the next.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TrainFolds {
    /// How many test windows, of equal length.
    #[schemars(range(min = 1, max = 100))]
    pub count: u32,
    /// What the training window does from fold to fold.
    pub growth: FoldGrowth,
    /// Part of all slots before the first test window.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 0.95))]
    pub train_min: f64,
    /// Part of each training window that is kept back at its end, to say when to stop and to choose a threshold.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 0.5))]
    pub validation: f64,
    /// Slots between the last slot a label depends on and the next part; not fewer than `label.horizon-bars`. Without it, a day, and
    /// never fewer than the horizon.
    #[schemars(range(max = 100000))]
    pub embargo_bars: Option<u32>,
}

impl Default for TrainFolds {
    fn default() -> Self {
        Self {
            count: 5,
            growth: FoldGrowth::Expanding,
            train_min: 0.5,
            validation: 0.15,
            embargo_bars: None,
        }
    }
}

words! {
    /// What a rare class counts.
    ClassWeights {
        /// As much as any other row.
        None = "none",
        /// So much more that all classes together count alike. The probabilities of the model are corrected for it.
        Balanced = "balanced",
    }
}

/// How the network learns: AdamW on mini-batches, until the validation loss gets no better.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TrainFit {
    /// Outputs of each hidden layer. Without any, the model is a logistic regression. At most 5 layers.
    #[schemars(inner(range(min = 1, max = WIDTH_MAX)))]
    pub hidden: Vec<u32>,
    /// What is between two layers.
    pub activation: Activation,
    /// Most times that all rows are seen.
    #[schemars(range(min = 1, max = 10000))]
    pub epochs_max: u32,
    /// Rows of one step.
    #[schemars(range(min = 1, max = 1000000))]
    pub batch: u32,
    /// Length of a step.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1))]
    pub learning_rate: f64,
    /// Part of each weight that is lost per unit of learning rate and step.
    #[schemars(range(min = 0, max = 10))]
    pub weight_decay: f64,
    /// Epochs without a better validation loss after which it stops; the best weights are kept.
    #[schemars(range(min = 1, max = 10000))]
    pub patience: u32,
    /// What a rare class counts.
    pub class_weights: ClassWeights,
    /// Where an input is cut off, in standard deviations.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1000))]
    pub clamp: f64,
    /// Epochs between two checkpoints. A run that was killed goes on from there and ends at the same weights.
    #[schemars(range(min = 1, max = 10000))]
    pub checkpoint_epochs: u32,
}

impl Default for TrainFit {
    fn default() -> Self {
        Self {
            hidden: vec![32, 16],
            activation: Activation::Relu,
            epochs_max: 20,
            batch: 512,
            learning_rate: 0.001,
            weight_decay: 0.01,
            patience: 4,
            class_weights: ClassWeights::None,
            clamp: 5.0,
            checkpoint_epochs: 1,
        }
    }
}

/// A model fitted on the stored bars, and what it was worth on bars it had not seen.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Train {
    /// Name of the models: they are under `data/models/<name>/`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$"))]
    pub name: String,
    /// What the model sees, in this order: expressions of the rule language over bars, without params, free of the price level, such as
    /// `rsi(close, 14)` and `atr(14) / close`; `runner functions` lists what there is.
    #[serde(default = "Train::features")]
    #[schemars(length(min = 1), inner(length(min = 1, max = 4096)))]
    pub features: Vec<String>,
    /// Close time of the first bar that is used; without it, the first one stored.
    #[schemars(range(min = 0))]
    pub start_ts_ms: Option<i64>,
    /// Close time of the last bar that is used; without it, the last one stored.
    #[schemars(range(min = 0))]
    pub end_ts_ms: Option<i64>,
    /// Of the first weights and of the order of the rows. The same seed, bars and settings give the same model, bit for bit.
    #[serde(default = "Train::seed")]
    pub seed: u32,
    /// Scores from which a position is entered, in units of 1e-6. Of several, the one that earns most on the validation rows, of equals
    /// the higher; nothing is chosen on test rows. LIVE trades from it. Where `strategy.model.enter` is set, only that one counts.
    #[serde(default = "Train::thresholds")]
    #[schemars(length(min = 1), inner(range(min = 1)))]
    pub thresholds: Vec<i64>,
    /// The question.
    #[serde(default)]
    pub label: TrainLabel,
    /// How rows are cut in time.
    #[serde(default)]
    pub folds: TrainFolds,
    /// How the network learns.
    #[serde(default)]
    pub fit: TrainFit,
}

impl Train {
    fn features() -> Vec<String> {
        let names = [
            "log_return(close, 1)",
            "log_return(close, 3)",
            "log_return(close, 12)",
            "log_return(close, 48)",
            "volatility(12)",
            "volatility(48)",
            "rsi(close, 14)",
            "atr(14) / close",
            "(close - ema(close, 20)) / ema(close, 20)",
            "(close - ema(close, 50)) / ema(close, 50)",
            "safe_div(close - lowest(low, 48), highest(high, 48) - lowest(low, 48), 0.5)",
            "zscore(close, 20)",
            "volume_z(48)",
        ];
        names.map(str::to_owned).into()
    }

    fn seed() -> u32 {
        7
    }

    fn thresholds() -> Vec<i64> {
        vec![100_000, 200_000, 400_000, 800_000, 1_600_000]
    }
}

words! {
    /// What a candidate is measured by, over all folds of its report.
    PromoteMetric {
        /// Mean logarithmic loss of the test rows, in nats: lower is better. The baseline is the better one of class frequencies and
        /// logistic regression.
        LogLoss = "log-loss",
        /// How well its scores tell ups from downs: higher is better. The baseline is the better one of chance and logistic regression,
        /// and chance must be beaten by three standard errors, which are those of as many rows as have labels of their own.
        Auc = "auc",
        /// Profit and loss of its trades on the test bars after fees, in the quote currency, summed up: higher is better. The baseline
        /// is the best one of no trades, logistic regression, and buying and holding.
        Pnl = "pnl",
    }
}

/// When a model becomes the one in use, and the way back. Whatever it is measured by, its trades on the test bars must have earned more
/// than nothing and than buying and holding, and LIVE must trade with the settings it was judged with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Promote {
    /// Name of the models: they are under `data/models/<name>/`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$"))]
    pub name: String,
    /// The model that asks for the place; without it, the one that was trained last.
    pub model: Option<String>,
    /// What it is measured by.
    #[serde(default = "Promote::metric")]
    pub metric: PromoteMetric,
    /// By how much it must beat the baseline, and the model in use where both were tested on the same folds.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub by: f64,
    /// In how many folds it must beat every baseline, by whatever little.
    #[serde(default)]
    pub min_folds: u32,
    /// Whether to go back to the model that was in use before, whatever its numbers. Nothing else is looked at then.
    #[serde(default)]
    pub rollback: bool,
}

impl Promote {
    fn metric() -> PromoteMetric {
        PromoteMetric::LogLoss
    }
}
