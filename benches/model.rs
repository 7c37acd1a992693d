//! The model that benchmarks score with: twelve features, 64 and 32 hidden outputs.

use mjolnir::{
    engine::model::{Activation, Dense, Feature, Normaliser},
    model::folder::{Files, Made},
};

const SEEN: [&str; 12] = [
    "log_return_1",
    "log_return_3",
    "log_return_12",
    "volatility_12",
    "volatility_48",
    "rsi_14",
    "atr_pct_14",
    "ema_gap_20",
    "ema_gap_50",
    "range_place_48",
    "volume_z_48",
    "close_z_20",
];
const WIDTHS: [usize; 4] = [12, 64, 32, 3];

/// Its files.
pub fn files() -> Files {
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
    Files::make(made, |_| {}).expect("a model")
}
