//! Dense layers evaluated in one fixed order of double precision additions: no SIMD reduction, no fused multiply-add, no
//! library of matrices. The same weights and inputs give the same bits on every machine.

use thiserror::Error;

use crate::setting::words;

/// What a model tells apart: down, flat, up.
pub const CLASSES: usize = 3;
/// Most outputs of a layer.
pub const WIDTH_MAX: usize = 256;
/// Most layers. With finite single precision weights and this depth no sum can overflow.
pub const LAYERS_MAX: usize = 6;
/// Outputs computed side by side. Each is its own sum, so their number changes no bit.
const LANES: usize = 8;

words! {
    /// What is between two layers.
    Activation {
        /// Negative values become zero.
        Relu = "relu",
        /// The hyperbolic tangent.
        Tanh = "tanh",
    }
}

impl Activation {
    #[inline]
    fn of(self, x: f64) -> f64 {
        match self {
            Self::Relu => {
                if x > 0.0 {
                    x
                } else {
                    0.0
                }
            }
            Self::Tanh => libm::tanh(x),
        }
    }
}

/// One layer as it is stored: a row of `inputs` weights per output, and a bias per output.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// Row after row, `outputs * inputs` of them.
    pub weights: Vec<f32>,
    /// One per output.
    pub bias: Vec<f32>,
}

/// Why layers make no network.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum NetworkError {
    /// Too few or too many layers.
    #[error("{0} layers; there must be 1 to {LAYERS_MAX}")]
    Layers(usize),
    /// A layer that does not fit.
    #[error("layer {layer}: {what}")]
    Shape {
        /// Which layer, from 0.
        layer: usize,
        /// What does not fit.
        what: String,
    },
    /// A weight that is no number.
    #[error(
        "layer {layer}: a weight or bias is NaN or infinite: the training went astray, or the file is damaged"
    )]
    NotFinite {
        /// Which layer, from 0.
        layer: usize,
    },
}

/// A layer in the order the scorer walks it: blocks of [`LANES`] outputs; in a block the biases, then the weights of each input.
#[derive(Debug, Clone, PartialEq)]
struct Walked {
    outputs: usize,
    blocks: Vec<[f64; LANES]>,
    inputs: usize,
}

impl Walked {
    fn new(dense: &Dense) -> Self {
        let lane = |block: usize, of: &dyn Fn(usize) -> f32| -> [f64; LANES] {
            std::array::from_fn(|lane| {
                let output = block * LANES + lane;
                if output < dense.outputs { f64::from(of(output)) } else { 0.0 }
            })
        };
        let mut blocks = Vec::new();
        for block in 0..dense.outputs.div_ceil(LANES) {
            blocks.push(lane(block, &|output| dense.bias[output]));
            for input in 0..dense.inputs {
                blocks.push(lane(block, &|output| dense.weights[output * dense.inputs + input]));
            }
        }
        Self { outputs: dense.outputs, blocks, inputs: dense.inputs }
    }

    /// For each output: its bias, then the products with the inputs, in their order.
    #[inline]
    fn apply(&self, inputs: &[f64], out: &mut [f64; WIDTH_MAX]) {
        let sums = self.blocks.chunks_exact(self.inputs + 1).zip(out.chunks_exact_mut(LANES));
        for (block, out) in sums {
            let mut sums = block[0];
            for (weights, x) in block[1..].iter().zip(inputs) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += weight * x;
                }
            }
            out.copy_from_slice(&sums);
        }
    }
}

/// A feed-forward network with [`CLASSES`] outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Walked>,
    activation: Activation,
}

impl Network {
    /// Checks that the layers fit each other and hold numbers.
    pub fn new(layers: &[Dense], activation: Activation) -> Result<Self, NetworkError> {
        if !(1..=LAYERS_MAX).contains(&layers.len()) {
            return Err(NetworkError::Layers(layers.len()));
        }
        let mut inputs = layers[0].inputs;
        for (layer, dense) in layers.iter().enumerate() {
            let shape = |what: String| Err(NetworkError::Shape { layer, what });
            let Dense { outputs, weights, bias, .. } = dense;
            if dense.inputs != inputs {
                return shape(format!("{} inputs, but {inputs} values reach it", dense.inputs));
            }
            if !(1..=WIDTH_MAX).contains(outputs) || !(1..=WIDTH_MAX).contains(&inputs) {
                return shape(format!(
                    "{inputs} inputs and {outputs} outputs; at most {WIDTH_MAX}"
                ));
            }
            if weights.len() != inputs * outputs || bias.len() != *outputs {
                let (weights, biases) = (weights.len(), bias.len());
                return shape(format!(
                    "{weights} weights and {biases} biases for {inputs} x {outputs}"
                ));
            }
            if weights.iter().chain(bias).any(|weight| !weight.is_finite()) {
                return Err(NetworkError::NotFinite { layer });
            }
            inputs = *outputs;
        }
        if inputs != CLASSES {
            let what = format!("{inputs} outputs; a model tells {CLASSES} classes apart");
            return Err(NetworkError::Shape { layer: layers.len() - 1, what });
        }
        Ok(Self { layers: layers.iter().map(Walked::new).collect(), activation })
    }

    /// How many values it takes.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// The outputs of the last layer for normalised inputs, of which there are [`Network::inputs`].
    #[inline]
    pub fn logits(&self, inputs: &[f64]) -> [f64; CLASSES] {
        let (mut from, mut to) = ([0.0; WIDTH_MAX], [0.0; WIDTH_MAX]);
        from[..inputs.len()].copy_from_slice(inputs);
        let (last, hidden) = self.layers.split_last().expect("a network has a layer");
        for layer in hidden {
            layer.apply(&from[..layer.inputs], &mut to);
            for x in &mut to[..layer.outputs] {
                *x = self.activation.of(*x);
            }
            std::mem::swap(&mut from, &mut to);
        }
        last.apply(&from[..last.inputs], &mut to);
        [to[0], to[1], to[2]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(inputs: usize, outputs: usize, weight: f32) -> Dense {
        Dense { inputs, outputs, weights: vec![weight; inputs * outputs], bias: vec![0.5; outputs] }
    }

    #[test]
    fn a_sum_starts_with_the_bias_and_takes_the_products_in_order() {
        // 1e16 swallows a one that is added to it and not one that was added before: the order shows.
        let weights = vec![1e16, 1.0, -1e16, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let layer = Dense { inputs: 3, outputs: 3, weights, bias: vec![1.0, 2.0, 3.0] };
        let network = Network::new(&[layer], Activation::Relu).unwrap();
        let expected = ((1.0_f64 + f64::from(1e16_f32)) + 1.0) + f64::from(-1e16_f32);
        assert_eq!(network.logits(&[1.0, 1.0, 1.0]), [expected, 2.0, 3.0]);
    }

    #[test]
    fn hidden_layers_are_activated_and_the_last_is_not() {
        let first = Dense { inputs: 1, outputs: 2, weights: vec![1.0, -1.0], bias: vec![0.0, 0.0] };
        let last = Dense {
            inputs: 2,
            outputs: 3,
            weights: vec![1.0, 0.0, 0.0, 1.0, -2.0, -2.0],
            bias: vec![0.0; 3],
        };
        let layers = [first, last];
        let relu = Network::new(&layers, Activation::Relu).unwrap();
        assert_eq!(relu.logits(&[0.5]), [0.5, 0.0, -1.0]);
        let tanh = Network::new(&layers, Activation::Tanh).unwrap();
        let t = libm::tanh(0.5);
        assert_eq!(tanh.logits(&[0.5]), [t, -t, 0.0]);
    }

    #[test]
    fn widths_that_fill_no_block_of_lanes_change_nothing() {
        for width in [1, 7, 8, 9, 64, 256] {
            let network =
                Network::new(&[dense(2, width, 0.25), dense(width, 3, 1.0)], Activation::Relu)
                    .unwrap();
            let hidden = 0.5 + 0.25 + 0.5;
            let expected = (0..width).fold(0.5, |sum, _| sum + hidden);
            assert_eq!(network.logits(&[1.0, 2.0]), [expected; 3], "{width}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let ragged = Dense { weights: vec![1.0; 5], ..dense(2, 3, 1.0) };
        for (layers, word) in [
            (vec![], "0 layers"),
            (vec![dense(3, 3, 1.0); 7], "7 layers"),
            (vec![dense(2, 4, 1.0), dense(5, 3, 1.0)], "layer 1: 5 inputs, but 4"),
            (vec![dense(2, 257, 1.0), dense(257, 3, 1.0)], "layer 0: 2 inputs and 257"),
            (vec![dense(2, 2, 1.0)], "layer 0: 2 outputs"),
            (vec![ragged], "layer 0: 5 weights"),
            (vec![dense(2, 3, f32::NAN)], "layer 0: a weight"),
            (vec![dense(2, 3, f32::INFINITY)], "layer 0: a weight"),
        ] {
            let error = Network::new(&layers, Activation::Relu).unwrap_err().to_string();
            assert!(error.starts_with(word), "{error}");
        }
    }

    #[test]
    fn the_largest_weights_there_are_cannot_overflow() {
        let wide = Dense { bias: vec![f32::MAX; 256], ..dense(256, 256, f32::MAX) };
        let last = Dense { bias: vec![f32::MAX; 3], ..dense(256, 3, f32::MAX) };
        let layers = [wide.clone(), wide.clone(), wide.clone(), wide.clone(), wide, last];
        let network = Network::new(&layers, Activation::Relu).unwrap();
        assert!(network.logits(&[1e6; 256]).iter().all(|logit| logit.is_finite()));
    }
}
