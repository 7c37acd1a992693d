//! `card.toml`: what a model sees, how its inputs are scaled, how its layers are joined, and where it comes from.

use serde::{Deserialize, Serialize};

use super::folder::widths;
use crate::engine::{
    learn::{
        label::{BarrierUnit, LabelKind},
        rows::FoldGrowth,
    },
    model::{Activation, Dense, Feature, Model, Network, Normaliser, SCORER, network::LAYERS_MAX},
};

/// Name and version of the document.
pub const SCHEMA: &str = "mjolnir.model/1";
/// Hex digits of one number.
const BITS_DIGITS: usize = 16;
const HEADER: &str = "# A model. Numbers that are computed with are written as the 16 hex digits of their 64 bits, sign first,\n\
                      # so that no reader can round them. The id of the model covers this file: an edit makes another model.\n";

/// Everything that is known about a model besides its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelCard {
    /// Name and version of the document.
    schema: String,
    /// The way from features to a score.
    scorer: String,
    /// What it sees, in the order of its inputs.
    features: Vec<String>,
    /// Widths: the inputs, the hidden layers, the classes.
    layers: Vec<usize>,
    /// What is between two layers.
    activation: Activation,
    /// How its inputs are scaled.
    normaliser: CardNormaliser,
    /// How it was made; absent for a model from elsewhere.
    pub training: Option<Training>,
    /// What it was taught to foresee; absent for a model from elsewhere.
    pub label: Option<CardLabel>,
    /// How rows were cut in time; absent for a model from elsewhere.
    pub folds: Option<Folds>,
    /// What it was taught with; absent for a model from elsewhere.
    pub data: Option<DataWindow>,
    /// What it was worth on bars it had not seen; absent for a model from elsewhere.
    pub metrics: Option<Metrics>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CardNormaliser {
    mean: Vec<String>,
    inv_sd: Vec<String>,
    clamp: String,
}

/// How a model was made. Nothing here names the run or its time: made again from the same bars, it is the same model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Training {
    /// Of the first weights and of the order of the rows.
    pub seed: u64,
    /// Where it was computed: `cpu`, or the name of an accelerator.
    pub device: String,
    /// The build that made it.
    pub build: String,
}

/// What a model was taught to foresee.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CardLabel {
    /// Which question.
    pub kind: LabelKind,
    /// Bars that the answer takes.
    pub horizon_bars: u32,
    /// Smallest return that is no flat, in basis points; of `forward_return`.
    pub threshold_bps: Option<f64>,
    /// What the distances are measured in; of `triple_barrier`.
    pub unit: Option<BarrierUnit>,
    /// Distance of the upper barrier; of `triple_barrier`.
    pub upper: Option<f64>,
    /// Distance of the lower barrier; of `triple_barrier`.
    pub lower: Option<f64>,
}

/// How rows were cut in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Folds {
    /// How many tests.
    pub count: u32,
    /// How the training window grows.
    pub growth: FoldGrowth,
    /// Part of the rows that the first training window has.
    pub train_min: f64,
    /// Part of a training window that is kept for validation.
    pub validation: f64,
    /// Bars left out between two parts.
    pub embargo_bars: u32,
}

/// What a model was taught with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataWindow {
    /// The series, as `kraken BTC/USD 5m`.
    pub series: String,
    /// Close of the first bar, milliseconds UTC.
    pub first_ts_ms: i64,
    /// Close of the last bar, milliseconds UTC.
    pub last_ts_ms: i64,
    /// Bars loaded.
    pub bars: u64,
    /// Rows with ready features and a whole label window.
    pub rows: u64,
    /// Rows that went down, stayed, went up.
    pub classes: [u64; 3],
    /// sha256 of the rows, 64 hex digits.
    pub sha256: String,
}

/// What a model was worth on bars it had not seen: means over the folds, and sums of money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Metrics {
    /// Mean loss, in nats.
    pub log_loss: f64,
    /// Mean loss of the class frequencies, in nats.
    pub prior_log_loss: f64,
    /// How well scores tell ups from downs; absent when one of them did not occur.
    pub auc: Option<f64>,
    /// How often the most probable class was right.
    pub accuracy: f64,
    /// Mean distance between the probability of an up and how often it went up.
    pub calibration_error: f64,
    /// Profit and loss after fees, in the quote currency.
    pub net: f64,
    /// Closed trades.
    pub trades: u64,
    /// The score from which it traded, in units of 1e-6.
    pub threshold: i64,
}

impl ModelCard {
    /// The card of a model of these parts, without where it comes from.
    pub fn new(
        features: &[Feature],
        normaliser: &Normaliser,
        layers: &[Dense],
        activation: Activation,
    ) -> Self {
        let bits = |numbers: &[f64]| numbers.iter().map(|x| hex(*x)).collect();
        Self {
            schema: SCHEMA.to_owned(),
            scorer: SCORER.to_owned(),
            features: features.iter().map(ToString::to_string).collect(),
            layers: widths(layers),
            activation,
            normaliser: CardNormaliser {
                mean: bits(normaliser.mean()),
                inv_sd: bits(normaliser.inv_sd()),
                clamp: hex(normaliser.clamp()),
            },
            training: None,
            label: None,
            folds: None,
            data: None,
            metrics: None,
        }
    }

    /// The text of the file.
    pub(super) fn to_toml(&self) -> Result<String, String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        Ok(format!("{HEADER}{text}"))
    }

    /// Reads the file; the error says what is wrong with it.
    pub(super) fn from_toml(text: &str) -> Result<Self, String> {
        let card: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() + 1);
            let place = line.map_or_else(String::new, |line| format!("line {line}: "));
            format!("{place}{}", error.message())
        })?;
        let expected = |key: &str, found: &str, expected: &str| {
            let found: String = found.escape_debug().take(80).collect();
            Err(format!("{key} is `{found}`; this build reads `{expected}`"))
        };
        if card.schema != SCHEMA {
            return expected("schema", &card.schema, SCHEMA);
        }
        if card.scorer != SCORER {
            return expected("scorer", &card.scorer, SCORER);
        }
        if card.layers.len() > LAYERS_MAX + 1 {
            return Err(format!(
                "`layers` has {} widths, at most {}",
                card.layers.len(),
                LAYERS_MAX + 1
            ));
        }
        Ok(card)
    }

    /// The model of this card and these weights; the error says what does not fit.
    pub(super) fn model(&self, layers: &[Dense]) -> Result<Model, String> {
        let features: Vec<Feature> = self
            .features
            .iter()
            .map(|name| name.parse::<Feature>().map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let numbers = |key: &str, written: &[String]| -> Result<Vec<f64>, String> {
            let number = |text: &String| {
                unhex(text).ok_or_else(|| not_bits(&format!("normaliser.{key}"), text))
            };
            written.iter().map(number).collect()
        };
        let CardNormaliser { mean, inv_sd, clamp } = &self.normaliser;
        let limit = unhex(clamp).ok_or_else(|| not_bits("normaliser.clamp", clamp))?;
        let normaliser = Normaliser::new(numbers("mean", mean)?, numbers("inv-sd", inv_sd)?, limit)
            .map_err(|error| format!("[normaliser]: {error}"))?;
        let network = Network::new(layers, self.activation())
            .map_err(|error| format!("`layers`: {error}"))?;
        Model::new(features, normaliser, network).map_err(|error| error.to_string())
    }

    /// Names of what it sees, in the order of its inputs.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// Widths: the inputs, the hidden layers, the classes.
    pub fn layers(&self) -> &[usize] {
        &self.layers
    }

    /// What is between two layers.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// The way from features to a score.
    pub fn scorer(&self) -> &str {
        &self.scorer
    }
}

fn not_bits(key: &str, text: &str) -> String {
    let text: String = text.escape_debug().take(80).collect();
    format!("`{key}`: `{text}` is not a number of {BITS_DIGITS} lower-case hex digits")
}

/// The bits of a number, sign first.
pub(super) fn hex(x: f64) -> String {
    format!("{:016x}", x.to_bits())
}

/// The number of some bits. They have one spelling.
pub(super) fn unhex(text: &str) -> Option<f64> {
    let is_plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let whole = text.len() == BITS_DIGITS && text.bytes().all(is_plain);
    let bits = whole.then(|| u64::from_str_radix(text, 16).ok()).flatten()?;
    Some(f64::from_bits(bits))
}
