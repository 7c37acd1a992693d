//! Models from a seed, written as a training writes them.

use mjolnir::{
    domain::ids::ModelId,
    engine::model::{Activation, Dense, Feature, Normaliser},
    jobs::models::write,
    model::{
        card::Metrics,
        folder::{Made, ModelFiles},
    },
    store::disk::RealDisk,
};

use crate::support::{
    market::Dice,
    runner::{Call, Root},
};

/// The end of the first part of a life.
pub const NOON: &str = "2024-01-03T12:00:00Z";
/// The end of the second.
pub const EVENING: &str = "2024-01-03T18:00:00Z";
/// The end of the third.
pub const NIGHT: &str = "2024-01-04T00:00:00Z";

/// What every model here sees, with a mean and an inverse deviation that suit made-up bars.
const SEEN: [(&str, f64, f64); 5] = [
    ("log_return(close, 3)", 0.0, 1000.0),
    ("(close - ema(close, 20)) / ema(close, 20)", 0.0, 600.0),
    ("rsi(close, 14)", 50.0, 0.09),
    ("zscore(close, 20)", 0.0, 0.8),
    ("safe_div(close - lowest(low, 48), highest(high, 48) - lowest(low, 48), 0.5)", 0.5, 3.2),
];

/// Layers with weights from a seed, as large as keep the spread of what passes through.
pub fn layers(seed: u64, widths: &[usize]) -> Vec<Dense> {
    let mut dice = Dice::new(seed);
    let layer = |pair: &[usize]| {
        let (inputs, outputs) = (pair[0], pair[1]);
        let bound = (6.0 / inputs as f32).sqrt();
        let mut draw = || (dice.below(2_000_001) as f32 / 1e6 - 1.0) * bound;
        let weights = (0..inputs * outputs).map(|_| draw()).collect();
        Dense { inputs, outputs, weights, bias: (0..outputs).map(|_| draw() * 0.1).collect() }
    };
    widths.windows(2).map(layer).collect()
}

/// A hidden layer and the classes: what speaks for up in some bars speaks for down in their mirror image, so that both sides are taken.
fn mirrored(seed: u64, inputs: usize) -> Vec<Dense> {
    const HALF: usize = 8;
    let [mut first, mut last] =
        [layers(seed, &[inputs, HALF]), layers(seed + 100, &[HALF, 1])].map(|mut l| l.remove(0));
    first.weights.extend(first.weights.clone().iter().map(|w| -w));
    first.bias.extend(first.bias.clone());
    first.outputs = 2 * HALF;
    let up: Vec<f32> = last.weights.iter().map(|w| w * 0.2).collect();
    let down = up.iter().map(|w| -w);
    let up: Vec<f32> = up.iter().copied().chain(down).collect();
    let down = up.iter().map(|w| -w);
    last.weights = down.chain([0.0; 2 * HALF]).chain(up.iter().copied()).collect();
    (last.inputs, last.outputs, last.bias) = (2 * HALF, 3, vec![0.0; 3]);
    vec![first, last]
}

/// The files of a model that sees the first so many features.
pub fn files(seed: u64, features: usize) -> ModelFiles {
    files_with(seed, features, None)
}

/// The same of one for which a score was chosen that it trades from.
fn files_with(seed: u64, features: usize, threshold: Option<i64>) -> ModelFiles {
    let seen = &SEEN[..features];
    let names: Vec<Feature> = seen.iter().map(|(name, ..)| name.parse().unwrap()).collect();
    let (mean, inv_sd) = (seen.iter().map(|s| s.1).collect(), seen.iter().map(|s| s.2).collect());
    let made = Made {
        features: &names,
        normaliser: &Normaliser::new(mean, inv_sd, 5.0).unwrap(),
        layers: &mirrored(seed, features),
        activation: Activation::Relu,
    };
    let metrics = threshold.map(|threshold| Metrics {
        log_loss: 1.0,
        prior_log_loss: 1.0,
        auc: None,
        accuracy: 0.5,
        calibration_error: 0.0,
        net: 0.0,
        trades: 0,
        threshold,
    });
    ModelFiles::make(made, |card| card.metrics = metrics).unwrap()
}

/// Writes a model under the name `m`.
pub fn plant_seeing(root: &Root, seed: u64, features: usize) -> ModelId {
    let disk = RealDisk::new(root.at("data"));
    write(&disk, &root.at("data/models/m"), &files(seed, features)).unwrap()
}

/// Writes a model that sees everything and trades from a score.
pub fn plant_from(root: &Root, seed: u64, threshold: i64) -> ModelId {
    let disk = RealDisk::new(root.at("data"));
    let files = files_with(seed, SEEN.len(), Some(threshold));
    write(&disk, &root.at("data/models/m"), &files).unwrap()
}

/// The same for one that sees everything.
pub fn plant(root: &Root, seed: u64) -> ModelId {
    plant_seeing(root, seed, SEEN.len())
}

/// Makes a model the one in use.
pub fn make_current(root: &Root, id: ModelId) {
    root.write("data/models/current", &format!("m/{id}\n"));
}

/// A root with one model, which is in use.
pub fn root(seed: u64) -> (Root, ModelId) {
    let root = Root::new();
    let id = plant(&root, seed);
    make_current(&root, id);
    (root, id)
}

/// The live loop that follows the model in use, on made-up bars.
pub fn live<'a>(root: &'a Root, to: &str) -> Call<'a> {
    let words = "run live-model -p tag=paper exchange=demo feed=synthetic";
    root.call(&format!("{words} from=2024-01-01T00:00:00Z to={to}"))
}

/// The proof over all that it decided.
pub fn eqflat<'a>(root: &'a Root, runid: &str) -> Call<'a> {
    root.call(&format!("run eqflat -P model -p tag=paper exchange=demo runid={runid}"))
}

/// The commands ledger of the tag, without its header.
pub fn commands(root: &Root) -> Vec<String> {
    let text = root.read("data/processed/commands/paper.csv");
    text.lines().skip(1).map(str::to_owned).collect()
}
