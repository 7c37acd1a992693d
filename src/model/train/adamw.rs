//! Adam with decoupled weight decay (Loshchilov and Hutter, 2019), with its moments in the open so that a fit can be taken up again.

use candle_core::{Device, Result, Tensor, backprop::GradStore};

use super::{
    layers::{Layers, numbers},
    settings::Settings,
    state::Numbers,
};

/// How slowly the mean of the slopes forgets.
const BETA_MEAN: f64 = 0.9;
/// How slowly the mean of their squares forgets.
const BETA_SQUARE: f64 = 0.999;
/// Keeps the division from zero.
const EPSILON: f64 = 1e-8;

/// The moments of every tensor that is fitted.
pub(super) struct AdamW {
    learning_rate: f64,
    weight_decay: f64,
    steps: u32,
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
}

impl AdamW {
    /// No step done.
    pub(super) fn new(settings: &Settings, layers: &Layers) -> Result<Self> {
        let zeros = || -> Result<Vec<Tensor>> {
            layers.vars().into_iter().map(|(var, _)| var.zeros_like()).collect()
        };
        Ok(Self {
            learning_rate: settings.learning_rate,
            weight_decay: settings.weight_decay,
            steps: 0,
            means: zeros()?,
            squares: zeros()?,
        })
    }

    /// After some steps, with the moments they left.
    pub(super) fn resumed(
        self,
        layers: &Layers,
        (steps, means, squares): (u32, &[Numbers], &[Numbers]),
        device: &Device,
    ) -> Result<Self> {
        let tensors = |moments: &[Numbers]| -> Result<Vec<Tensor>> {
            let vars = layers.vars();
            let pairs = vars.iter().zip(moments);
            pairs.map(|((var, _), m)| Tensor::from_slice(&m.0, var.shape(), device)).collect()
        };
        Ok(Self { steps, means: tensors(means)?, squares: tensors(squares)?, ..self })
    }

    /// One step down the slopes.
    pub(super) fn step(&mut self, layers: &Layers, slopes: &GradStore) -> Result<()> {
        self.steps += 1;
        let toward = |beta: f64| 1.0 - libm::pow(beta, f64::from(self.steps));
        let (mean_scale, square_scale) = (toward(BETA_MEAN), toward(BETA_SQUARE));
        for (place, (var, decays)) in layers.vars().into_iter().enumerate() {
            let Some(slope) = slopes.get(var) else { continue };
            let mean = (self.means[place].affine(BETA_MEAN, 0.0)?
                + slope.affine(1.0 - BETA_MEAN, 0.0)?)?;
            let square = (self.squares[place].affine(BETA_SQUARE, 0.0)?
                + slope.sqr()?.affine(1.0 - BETA_SQUARE, 0.0)?)?;
            let spread = square.affine(1.0 / square_scale, 0.0)?.sqrt()?.affine(1.0, EPSILON)?;
            let step = mean.affine(self.learning_rate / mean_scale, 0.0)?.div(&spread)?;
            let kept = if decays { 1.0 - self.learning_rate * self.weight_decay } else { 1.0 };
            var.set(&var.as_tensor().affine(kept, 0.0)?.sub(&step)?)?;
            self.means[place] = mean;
            self.squares[place] = square;
        }
        Ok(())
    }

    /// Steps done.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// The moments: means, then squares.
    pub(super) fn moments(&self) -> Result<[Vec<Numbers>; 2]> {
        let read = |tensors: &[Tensor]| tensors.iter().map(numbers).collect::<Result<_>>();
        Ok([read(&self.means)?, read(&self.squares)?])
    }
}
