//! A model: the features it sees, how they are scaled, its network, and the one way to a score.

use thiserror::Error;

use super::{
    inputs::{Feature, Normaliser},
    network::{CLASSES, Network},
};
use crate::language::FEATURES_MAX;

/// Name and version of the way from features to a score. Another order of additions would be another name.
pub const SCORER: &str = "canon/1";
/// Units of a score in one logit.
pub const UNITS: f64 = 1e6;

/// Why the parts make no model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModelError {
    /// The parts are for different numbers of features.
    #[error("{features} features, a normaliser for {normalised} and a network for {inputs}")]
    Lengths {
        /// Named.
        features: usize,
        /// Normalised.
        normalised: usize,
        /// Taken by the network.
        inputs: usize,
    },
    /// Nothing to see, or too much.
    #[error("{0} features; there must be 1 to {FEATURES_MAX}")]
    Features(usize),
    /// A feature named twice.
    #[error("the feature {0} is named twice")]
    Twice(Feature),
}

/// A model that can be asked. It is immutable and has no randomness.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    features: Vec<Feature>,
    normaliser: Normaliser,
    network: Network,
}

impl Model {
    /// Checks that the parts fit.
    pub fn new(
        features: Vec<Feature>,
        normaliser: Normaliser,
        network: Network,
    ) -> Result<Self, ModelError> {
        if !(1..=FEATURES_MAX).contains(&features.len()) {
            return Err(ModelError::Features(features.len()));
        }
        let twice = |(at, feature): &(usize, &Feature)| features[..*at].contains(feature);
        if let Some((_, feature)) = features.iter().enumerate().find(twice) {
            return Err(ModelError::Twice(feature.clone()));
        }
        let (normalised, inputs) = (normaliser.len(), network.inputs());
        if normalised != features.len() || inputs != features.len() {
            return Err(ModelError::Lengths { features: features.len(), normalised, inputs });
        }
        Ok(Self { features, normaliser, network })
    }

    /// What it sees, in the order of its inputs.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The outputs for raw features, of which there are as many as [`Model::features`]; down, flat, up.
    #[inline]
    pub fn logits(&self, values: &[f64]) -> [f64; CLASSES] {
        let mut normalised = [0.0; FEATURES_MAX];
        self.normaliser.apply(values, &mut normalised);
        self.network.logits(&normalised[..self.features.len()])
    }

    /// How much rather up than down: the difference of the two logits in units of 1e-6, ties to even.
    #[inline]
    pub fn score(&self, values: &[f64]) -> i64 {
        fixed(self.logits(values))
    }
}

/// The score of three logits.
#[inline]
pub fn fixed([down, _, up]: [f64; CLASSES]) -> i64 {
    // A cast saturates, and finite weights give finite logits.
    ((up - down) * UNITS).round_ties_even() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::network::{Activation, Dense};

    fn network(inputs: usize) -> Network {
        let layer = Dense {
            inputs,
            outputs: 3,
            weights: vec![0.5; inputs * 3],
            bias: vec![0.0, 0.0, 0.25],
        };
        Network::new(&[layer], Activation::Relu).unwrap()
    }

    fn normaliser(features: usize) -> Normaliser {
        Normaliser::new(vec![1.0; features], vec![2.0; features], 4.0).unwrap()
    }

    #[test]
    fn a_score_is_the_difference_of_up_and_down() {
        let model =
            Model::new(vec!["rsi(close, 14)".parse().unwrap()], normaliser(1), network(1)).unwrap();
        assert_eq!(model.logits(&[2.0]), [1.0, 1.0, 1.25]);
        assert_eq!(model.score(&[2.0]), 250_000);
    }

    #[test]
    fn scores_are_rounded_to_even_and_stay_in_range() {
        for (up, score) in [
            (0.5e-6, 0),
            (1.5e-6, 2),
            (2.5e-6, 2),
            (-0.5e-6, 0),
            (1e300, i64::MAX),
            (-1e300, i64::MIN),
        ] {
            assert_eq!(fixed([0.0, 9.0, up]), score, "{up}");
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let rsi: Feature = "rsi(close, 14)".parse().unwrap();
        for (features, normalised, inputs, word) in [
            (vec![], 0, 1, "0 features"),
            (vec![rsi.clone(), rsi.clone()], 2, 2, "the feature rsi(close, 14) is named twice"),
            (vec![rsi.clone()], 2, 1, "1 features, a normaliser for 2"),
            (vec![rsi], 1, 2, "1 features, a normaliser for 1 and a network for 2"),
        ] {
            let error = Model::new(features, normaliser(normalised), network(inputs)).unwrap_err();
            assert!(error.to_string().starts_with(word), "{error}");
        }
    }
}
