//! Softmax cross-entropy with class weights, over rows on a device.

use candle_core::{D, Device, Result, Tensor};

use super::settings::Samples;
use crate::engine::model::CLASSES;

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
pub(super) struct Batch {
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
    pub(super) fn select(&self, rows: &[u32], device: &Device) -> Result<Batch> {
        let places = Tensor::from_slice(rows, rows.len(), device)?;
        Ok(Batch {
            inputs: self.inputs.index_select(&places, 0)?,
            targets: self.targets.index_select(&places, 0)?,
        })
    }

    /// All rows, in pieces.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Result<Batch>> {
        (0..self.rows).step_by(ROWS_AT_ONCE).map(|start| {
            let rows = ROWS_AT_ONCE.min(self.rows - start);
            Ok(Batch {
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

impl Batch {
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
