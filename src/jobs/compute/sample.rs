//! A small fit for tests.

use crate::{
    engine::{learn::label::Class, model::Activation},
    manifest::ClassWeights,
    model::train::{FitSettings, Samples},
};

/// Sixty rows: up where the first input is the larger one, else down.
pub(super) fn samples() -> Samples {
    let mut samples = Samples::new(2);
    for n in 0..60 {
        let (x, y) = (f64::from(n % 7) / 7.0, f64::from(n % 5) / 5.0);
        samples.push(&[x, y], if x > y { Class::Up } else { Class::Down });
    }
    samples
}

/// A network with one hidden layer, fitted for so many epochs.
pub(super) fn settings(epochs: u32) -> FitSettings {
    FitSettings {
        hidden: vec![4],
        activation: Activation::Relu,
        epochs_max: epochs,
        batch: 16,
        learning_rate: 0.01,
        weight_decay: 0.0,
        patience: epochs,
        improvement_min: 1e-6,
        weighting: ClassWeights::Balanced,
        seed: 1,
    }
}
