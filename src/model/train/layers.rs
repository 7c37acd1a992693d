//! Dense layers as tensors that can be fitted, and softmax cross-entropy with class weights over rows on a device.

use candle_core::{D, Device, Result, Tensor, Var};

use super::settings::{FitSettings, Numbers, Samples};
use crate::engine::{
    learn::chance::{Chance, Purpose},
    model::{Activation, CLASSES, Dense},
};

/// Spread of the last layer's first weights, a hundredth of what would keep that of its inputs.
const LAST_GAIN: f32 = 0.03;

/// One layer: weights as a row per output, and biases.
pub(super) struct DenseLayer {
    pub(super) weight: Var,
    pub(super) bias: Var,
}

/// A network that can be fitted.
pub(super) struct DenseLayers {
    layers: Vec<DenseLayer>,
    activation: Activation,
}

/// Inputs and outputs of each layer.
pub(super) fn shapes(width: usize, settings: &FitSettings) -> Vec<(usize, usize)> {
    let outputs = settings.hidden.iter().copied().chain([CLASSES]);
    let mut inputs = width;
    outputs.map(|outputs| (std::mem::replace(&mut inputs, outputs), outputs)).collect()
}

/// Weights to start from: uniform within a bound that keeps the spread from layer to layer (He et al. 2015 for relu, else LeCun et al.
/// 1998), biases zero. The last layer begins with small weights and the given biases, so that a network without any step says about
/// what they say, and does not spend its first epochs on unlearning what was drawn.
pub(super) fn first_weights(
    width: usize,
    settings: &FitSettings,
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

impl DenseLayers {
    /// Layers with these weights.
    pub(super) fn new(
        width: usize,
        settings: &FitSettings,
        weights: &[Numbers],
        device: &Device,
    ) -> Result<Self> {
        let shapes = shapes(width, settings).into_iter().zip(weights.chunks_exact(2));
        let layer = |((inputs, outputs), pair): ((usize, usize), &[Numbers])| {
            let weight = Var::from_slice(&pair[0].0, (outputs, inputs), device)?;
            Ok(DenseLayer { weight, bias: Var::from_slice(&pair[1].0, outputs, device)? })
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

    pub(super) fn numbers(&self) -> Result<Vec<Numbers>> {
        self.vars().into_iter().map(|(var, _)| numbers(var)).collect()
    }
}

/// The numbers of a tensor.
pub(super) fn numbers(tensor: &Tensor) -> Result<Numbers> {
    Ok(Numbers(tensor.flatten_all()?.to_vec1()?))
}

/// The layers as the engine knows them.
pub(super) fn dense(width: usize, settings: &FitSettings, weights: &[Numbers]) -> Vec<Dense> {
    let pairs = shapes(width, settings).into_iter().zip(weights.chunks_exact(2));
    let layer = |((inputs, outputs), pair): ((usize, usize), &[Numbers])| Dense {
        inputs,
        outputs,
        weights: pair[0].0.clone(),
        bias: pair[1].0.clone(),
    };
    pairs.map(layer).collect()
}

/// Rows whose loss is computed at once. Sums depend on the shape, so it is the same everywhere.
const ROWS_AT_ONCE: usize = 4096;

/// Rows on a device.
pub(super) struct Batchable {
    /// A row of inputs each.
    inputs: Tensor,
    /// One at the class of each row, zero elsewhere.
    targets: Tensor,
    rows: usize,
}

/// Some rows.
pub(super) struct LossBatch {
    /// A row of inputs each.
    pub(super) inputs: Tensor,
    targets: Tensor,
}

impl Batchable {
    /// Brings rows to a device.
    pub(super) fn new(samples: &Samples, device: &Device) -> Result<Self> {
        let rows = samples.len();
        let mut targets = vec![0.0_f32; rows * CLASSES];
        for (row, class) in samples.classes.iter().enumerate() {
            targets[row * CLASSES + usize::from(*class)] = 1.0;
        }
        Ok(Self {
            inputs: Tensor::from_slice(&samples.inputs, (rows, samples.width), device)?,
            targets: Tensor::from_vec(targets, (rows, CLASSES), device)?,
            rows,
        })
    }

    /// The rows of some numbers, in their order.
    pub(super) fn select(&self, rows: &[u32], device: &Device) -> Result<LossBatch> {
        let places = Tensor::from_slice(rows, rows.len(), device)?;
        Ok(LossBatch {
            inputs: self.inputs.index_select(&places, 0)?,
            targets: self.targets.index_select(&places, 0)?,
        })
    }

    /// All rows, in pieces.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Result<LossBatch>> {
        (0..self.rows).step_by(ROWS_AT_ONCE).map(|start| {
            let rows = ROWS_AT_ONCE.min(self.rows - start);
            Ok(LossBatch {
                inputs: self.inputs.narrow(0, start, rows)?,
                targets: self.targets.narrow(0, start, rows)?,
            })
        })
    }
}

/// The logarithms of the probabilities.
pub(super) fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let most = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&most)?;
    let sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&sum)
}

impl LossBatch {
    /// The mean loss with class weights: what is made smaller.
    pub(super) fn weighted(&self, log_probabilities: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let targets = self.targets.broadcast_mul(weights)?;
        let loss = log_probabilities.mul(&targets)?.sum_all()?;
        loss.div(&targets.sum_all()?)?.neg()
    }

    /// The sum of the losses of the rows, without weights and without slopes.
    pub(super) fn total(&self, log_probabilities: &Tensor) -> Result<Tensor> {
        log_probabilities.detach().mul(&self.targets)?.sum_all()?.neg()
    }
}
