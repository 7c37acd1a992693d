//! The model that benchmarks score with: twelve features, 64 and 32 hidden outputs.

use mjolnir::{
    engine::model::{Activation, Dense, Feature, Normaliser},
    model::folder::{Made, ModelFiles},
};

const SEEN: [&str; 12] = [
    "log_return(close, 1)",
    "log_return(close, 3)",
    "log_return(close, 12)",
    "volatility(12)",
    "volatility(48)",
    "rsi(close, 14)",
    "atr(14) / close",
    "(close - ema(close, 20)) / ema(close, 20)",
    "(close - ema(close, 50)) / ema(close, 50)",
    "safe_div(close - lowest(low, 48), highest(high, 48) - lowest(low, 48), 0.5)",
    "volume_z(48)",
    "zscore(close, 20)",
];
const WIDTHS: [usize; 4] = [12, 64, 32, 3];

/// Its files.
pub fn files() -> ModelFiles {
    let features: Vec<Feature> = SEEN.iter().map(|name| name.parse().expect("a feature")).collect();
    let number = |at: usize| ((at * 37) % 101) as f32 / 404.0 - 0.125;
    let layers: Vec<Dense> = WIDTHS
        .windows(2)
        .map(|pair| Dense {
            inputs: pair[0],
            outputs: pair[1],
            weights: (0..pair[0] * pair[1]).map(number).collect(),
            bias: (0..pair[1]).map(number).collect(),
        })
        .collect();
    let normaliser = Normaliser::new(vec![0.0; 12], vec![1.0; 12], 5.0).expect("a normaliser");
    let activation = Activation::Relu;
    let made = Made { features: &features, normaliser: &normaliser, layers: &layers, activation };
    ModelFiles::make(made, |_| {}).expect("a model")
}
