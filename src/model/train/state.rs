//! Where a fit stands after an epoch: enough to go on and end at the same bits.

use serde::{Deserialize, Serialize};

/// Mean loss over one epoch, in nats per row, without class weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// Of the training rows, as they were seen.
    pub train: f64,
    /// Of the validation rows, at the end.
    pub validation: f64,
}

/// Numbers of single precision that survive text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<u32>", into = "Vec<u32>")]
pub(super) struct Numbers(pub(super) Vec<f32>);

impl From<Vec<u32>> for Numbers {
    fn from(bits: Vec<u32>) -> Self {
        Self(bits.into_iter().map(f32::from_bits).collect())
    }
}

impl From<Numbers> for Vec<u32> {
    fn from(numbers: Numbers) -> Self {
        numbers.0.into_iter().map(f32::to_bits).collect()
    }
}

/// The best weights so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) epoch: u32,
    pub(super) loss: f64,
    pub(super) weights: Vec<Numbers>,
}

/// A fit after an epoch. Of each layer there are the weights, then the biases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(super) steps: u32,
    pub(super) weights: Vec<Numbers>,
    /// Moving means of the slopes.
    pub(super) means: Vec<Numbers>,
    /// Moving means of their squares.
    pub(super) squares: Vec<Numbers>,
    pub(super) best: Option<Best>,
    pub(super) losses: Vec<Losses>,
}

impl State {
    /// Epochs done.
    pub fn epochs(&self) -> u32 {
        self.losses.len() as u32
    }

    /// Losses of each epoch.
    pub fn losses(&self) -> &[Losses] {
        &self.losses
    }
}
