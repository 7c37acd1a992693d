//! Whether a network that comes back from a card is believed.

use crate::{
    engine::{
        learn::likelihood::softmax,
        model::{Dense, Network},
    },
    model::{
        probe::{Reason, Verdict},
        train::{Fitted, Samples, Task},
    },
};

/// The card never has the last word: the network must have the shape that was asked for, be made of numbers, and have the loss that it
/// is said to have when the scorer of this program computes it.
pub(super) fn checked(
    fitted: Fitted,
    task: &Task<'_>,
    tolerance: f64,
) -> Result<Fitted, Box<Verdict>> {
    let wrong = |detail: String| Box::new(Verdict::refused(Reason::Mismatch, detail));
    let best = (fitted.best_epoch as usize).checked_sub(1).and_then(|at| fitted.losses.get(at));
    let Some(best) = best else {
        return Err(wrong(format!("epoch {} does not exist", fitted.best_epoch)));
    };
    let wanted: Vec<usize> = task.settings.hidden.clone();
    let hidden: Vec<usize> = fitted.layers.iter().rev().skip(1).rev().map(|l| l.outputs).collect();
    let first = fitted.layers.first().map(|layer| layer.inputs);
    if hidden != wanted || first != Some(task.train.width) {
        return Err(wrong("the network has another shape than was asked for".to_owned()));
    }
    let finite = |layer: &Dense| layer.weights.iter().chain(&layer.bias).all(|x| x.is_finite());
    if !fitted.layers.iter().all(finite) {
        let detail = "the network has weights that are no numbers";
        return Err(Box::new(Verdict::refused(Reason::Nonfinite, detail)));
    }
    let network = Network::new(&fitted.layers, task.settings.activation);
    let network = network.map_err(|error| wrong(error.to_string()))?;
    let (said, found) = (best.validation, loss(&network, task.validation));
    if (said - found).abs() <= tolerance * (1.0 + found.abs()) {
        return Ok(fitted);
    }
    Err(wrong(format!("it says its loss is {said}, the processor says {found}")))
}

/// Mean loss of some rows, in nats, by the scorer that decides.
fn loss(network: &Network, samples: &Samples) -> f64 {
    let mut inputs = vec![0.0; samples.width];
    let mut sum = 0.0;
    for (row, class) in samples.inputs.chunks_exact(samples.width).zip(&samples.classes) {
        for (to, from) in inputs.iter_mut().zip(row) {
            *to = f64::from(*from);
        }
        let part = softmax(network.logits(&inputs))[usize::from(*class)];
        sum -= part.max(f64::MIN_POSITIVE).ln();
    }
    sum / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{samples, settings},
        *,
    };
    use crate::model::train::{Device, Flow, fit};

    #[test]
    fn a_network_that_came_back_is_believed_only_if_our_scorer_agrees() {
        let (samples, settings) = (samples(), settings(3));
        let task = Task { train: &samples, validation: &samples, settings: &settings };
        let fitted = fit(&task, &Device::Cpu, None, &mut |_| Flow::GoOn).unwrap();
        let with = |change: fn(&mut Fitted)| {
            let mut fitted = fitted.clone();
            change(&mut fitted);
            checked(fitted, &task, 1e-4).map_err(|refused| refused.reason)
        };
        assert_eq!(with(|_| ()).unwrap(), fitted);
        let mismatch = Err(Some(Reason::Mismatch));
        assert_eq!(with(|f| f.layers[0].weights[0] += 1.0), mismatch);
        assert_eq!(with(|f| f.losses[2].validation += 0.01), mismatch);
        assert_eq!(with(|f| f.best_epoch = 4), mismatch);
        assert_eq!(with(|f| f.best_epoch = 0), mismatch);
        assert_eq!(with(|f| drop(f.layers.pop())), mismatch);
        assert_eq!(with(|f| f.layers.clear()), mismatch);
        assert_eq!(with(|f| f.layers[0].bias.push(0.0)), mismatch);
        let nonfinite = Err(Some(Reason::Nonfinite));
        assert_eq!(with(|f| f.layers[1].bias[0] = f32::NAN), nonfinite);
    }
}
