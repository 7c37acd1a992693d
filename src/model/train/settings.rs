//! What a fit is given: rows on one scale, how it is to learn from them, and where it was after an epoch: enough to go on and end at
//! the same bits.

use serde::{Deserialize, Serialize};

use crate::{
    engine::{
        learn::label::Class,
        model::{Activation, CLASSES},
    },
    manifest::ClassWeights,
};

/// Rows as the fit sees them: inputs on one scale, and the class of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Inputs of each row.
    pub width: usize,
    /// Row after row, `width` each.
    pub inputs: Vec<f32>,
    /// The place of each row's class.
    pub classes: Vec<u8>,
}

impl Samples {
    /// Without rows yet.
    pub const fn new(width: usize) -> Self {
        Self { width, inputs: Vec::new(), classes: Vec::new() }
    }

    /// Adds a row of `width` inputs. They lose what does not fit single precision.
    pub fn push(&mut self, inputs: &[f64], class: Class) {
        assert_eq!(inputs.len(), self.width, "rows have one width");
        self.inputs.extend(inputs.iter().map(|x| *x as f32));
        self.classes.push(class.place() as u8);
    }

    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// How many rows are of each class.
    pub fn counts(&self) -> [usize; CLASSES] {
        let mut counts = [0; CLASSES];
        for class in &self.classes {
            counts[usize::from(*class)] += 1;
        }
        counts
    }
}

impl ClassWeights {
    /// The weight of each class, given how often it occurs. The mean over all rows is 1; a class that does not occur has weight 1.
    pub fn weights(self, counts: [usize; CLASSES]) -> [f64; CLASSES] {
        match self {
            Self::None => [1.0; CLASSES],
            Self::Balanced => {
                let (all, present) =
                    (counts.iter().sum::<usize>(), counts.iter().filter(|n| **n > 0).count());
                counts.map(|n| if n == 0 { 1.0 } else { all as f64 / (present * n) as f64 })
            }
        }
    }
}

/// How a network learns.
#[derive(Debug, Clone, PartialEq)]
pub struct FitSettings {
    /// Outputs of each hidden layer; none makes a logistic regression.
    pub hidden: Vec<usize>,
    /// What is between two layers.
    pub activation: Activation,
    /// Most times that all rows are seen.
    pub epochs_max: u32,
    /// Rows of one step.
    pub batch: usize,
    /// Length of a step.
    pub learning_rate: f64,
    /// Part of each weight that is lost per unit of learning rate and step. Biases keep theirs.
    pub weight_decay: f64,
    /// Epochs without a better validation loss after which it stops.
    pub patience: u32,
    /// By how much, in nats, a validation loss must be better to count.
    pub improvement_min: f64,
    /// What a rare class counts.
    pub weighting: ClassWeights,
    /// Of the first weights and of the order of the rows.
    pub seed: u64,
}

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
pub struct FitState {
    pub(super) steps: u32,
    pub(super) weights: Vec<Numbers>,
    /// Moving means of the slopes.
    pub(super) means: Vec<Numbers>,
    /// Moving means of their squares.
    pub(super) squares: Vec<Numbers>,
    pub(super) best: Option<Best>,
    pub(super) losses: Vec<Losses>,
}

impl FitState {
    /// Epochs done.
    pub fn epochs(&self) -> u32 {
        self.losses.len() as u32
    }

    /// Losses of each epoch.
    pub fn losses(&self) -> &[Losses] {
        &self.losses
    }
}
