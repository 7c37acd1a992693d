//! Dense layers as tensors that can be fitted.

use candle_core::{Device, Result, Tensor, Var};

use super::{settings::Settings, state::Numbers};
use crate::engine::{
    learn::chance::{Chance, Purpose},
    model::{Activation, CLASSES, Dense},
};

/// Spread of the last layer's first weights, a hundredth of what would keep that of its inputs.
const LAST_GAIN: f32 = 0.03;

/// One layer: weights as a row per output, and biases.
pub(super) struct Layer {
    pub(super) weight: Var,
    pub(super) bias: Var,
}

/// A network that can be fitted.
pub(super) struct Layers {
    layers: Vec<Layer>,
    activation: Activation,
}

/// Inputs and outputs of each layer.
pub(super) fn shapes(width: usize, settings: &Settings) -> Vec<(usize, usize)> {
    let outputs = settings.hidden.iter().copied().chain([CLASSES]);
    let mut inputs = width;
    outputs.map(|outputs| (std::mem::replace(&mut inputs, outputs), outputs)).collect()
}

/// Weights to start from: uniform within a bound that keeps the spread from layer to layer (He et al. 2015 for relu, else LeCun et al.
/// 1998), biases zero. The last layer begins with small weights and the given biases, so that a network without any step says about
/// what they say, and does not spend its first epochs on unlearning what was drawn.
pub(super) fn first_weights(
    width: usize,
    settings: &Settings,
    biases: [f64; CLASSES],
) -> Vec<Numbers> {
    let shapes = shapes(width, settings);
    let mut chance = Chance::new(settings.seed, Purpose::Weights);
    let last = shapes.len() - 1;
    let layer = |(place, (inputs, outputs)): (usize, (usize, usize))| {
        let gain = match settings.activation {
            _ if place == last => LAST_GAIN,
            Activation::Relu => 6.0_f32,
            Activation::Tanh => 3.0_f32,
        };
        let bound = (gain / inputs as f32).sqrt();
        let mut draw = || (chance.part() * 2.0 - 1.0) * bound;
        let weights = (0..inputs * outputs).map(|_| draw()).collect();
        let biases = match place {
            _ if place == last => biases.map(|bias| bias as f32).into(),
            _ => vec![0.0; outputs],
        };
        [Numbers(weights), Numbers(biases)]
    };
    shapes.into_iter().enumerate().flat_map(layer).collect()
}

impl Layers {
    /// Layers with these weights.
    pub(super) fn new(
        width: usize,
        settings: &Settings,
        weights: &[Numbers],
        device: &Device,
    ) -> Result<Self> {
        let shapes = shapes(width, settings).into_iter().zip(weights.chunks_exact(2));
        let layer = |((inputs, outputs), pair): ((usize, usize), &[Numbers])| {
            let weight = Var::from_slice(&pair[0].0, (outputs, inputs), device)?;
            Ok(Layer { weight, bias: Var::from_slice(&pair[1].0, outputs, device)? })
        };
        let layers = shapes.map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, activation: settings.activation })
    }

    /// The scores of the classes for rows of inputs.
    pub(super) fn logits(&self, inputs: &Tensor) -> Result<Tensor> {
        let mut x = inputs.clone();
        for (place, layer) in self.layers.iter().enumerate() {
            x = x.matmul(&layer.weight.t()?)?.broadcast_add(&layer.bias)?;
            if place + 1 < self.layers.len() {
                x = match self.activation {
                    Activation::Relu => x.relu()?,
                    Activation::Tanh => x.tanh()?,
                };
            }
        }
        Ok(x)
    }

    /// Everything that is fitted, in one order: of each layer the weights, then the biases; and whether it decays.
    pub(super) fn vars(&self) -> Vec<(&Var, bool)> {
        self.layers.iter().flat_map(|layer| [(&layer.weight, true), (&layer.bias, false)]).collect()
    }

    /// The numbers.
    pub(super) fn numbers(&self) -> Result<Vec<Numbers>> {
        self.vars().into_iter().map(|(var, _)| numbers(var)).collect()
    }
}

/// The numbers of a tensor.
pub(super) fn numbers(tensor: &Tensor) -> Result<Numbers> {
    Ok(Numbers(tensor.flatten_all()?.to_vec1()?))
}

/// The layers as the engine knows them.
pub(super) fn dense(width: usize, settings: &Settings, weights: &[Numbers]) -> Vec<Dense> {
    let pairs = shapes(width, settings).into_iter().zip(weights.chunks_exact(2));
    let layer = |((inputs, outputs), pair): ((usize, usize), &[Numbers])| Dense {
        inputs,
        outputs,
        weights: pair[0].0.clone(),
        bias: pair[1].0.clone(),
    };
    pairs.map(layer).collect()
}
