//! The fit: it learns what can be learned, and ends at the same bits however it got there.

use super::{
    fit::{dense, first_biases, first_weights},
    *,
};
use crate::engine::{
    learn::{
        label::Class,
        scores::softmax,
        split_mix::{Purpose, SplitMix},
    },
    model::{Activation, Dense, Network},
};
use crate::manifest::ClassWeights;

/// Rows whose class follows from which quarter of the plane they lie in: no line parts them.
fn quarters(rows: usize, seed: u64) -> Samples {
    let mut chance = SplitMix::new(seed, Purpose::Probe);
    let mut samples = Samples::new(2);
    for _ in 0..rows {
        let [x, y] = [0; 2].map(|_| f64::from(chance.part()) * 2.0 - 1.0);
        let class = if x * y > 0.1 {
            Class::Up
        } else if x * y < -0.1 {
            Class::Down
        } else {
            Class::Flat
        };
        samples.push(&[x, y], class);
    }
    samples
}

fn settings(hidden: &[usize]) -> FitSettings {
    FitSettings {
        hidden: hidden.to_vec(),
        activation: Activation::Relu,
        epochs_max: 12,
        batch: 64,
        learning_rate: 0.01,
        weight_decay: 0.01,
        patience: 12,
        improvement_min: 1e-5,
        weighting: ClassWeights::None,
        seed: 5,
    }
}

fn fitted(settings: &FitSettings) -> Fitted {
    let (train, validation) = (quarters(2_000, 1), quarters(500, 2));
    let task = Task { train: &train, validation: &validation, settings };
    fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap()
}

fn bits(layers: &[Dense]) -> Vec<u32> {
    let numbers = layers.iter().flat_map(|layer| layer.weights.iter().chain(&layer.bias));
    numbers.map(|x| x.to_bits()).collect()
}

#[test]
fn a_network_learns_what_a_logistic_regression_cannot() {
    let best = |fitted: &Fitted| fitted.losses[fitted.best_epoch as usize - 1].validation;
    let (network, logistic) = (fitted(&settings(&[16])), fitted(&settings(&[])));
    assert!(best(&network) < 0.5, "{}", best(&network));
    assert!(best(&logistic) > 0.9, "{}", best(&logistic));
    assert_eq!((network.layers.len(), logistic.layers.len()), (2, 1));
}

#[test]
fn every_seed_and_every_setting_has_bits_of_its_own_and_always_the_same() {
    let base = settings(&[8]);
    let with = |change: fn(&mut FitSettings)| {
        let mut settings = base.clone();
        change(&mut settings);
        bits(&fitted(&settings).layers)
    };
    let ours = with(|_| ());
    assert_eq!(ours, with(|_| ()));
    assert_eq!(ours, on_one_thread(|| with(|_| ())).unwrap());
    for other in [
        with(|s| s.seed = 6),
        with(|s| s.batch = 65),
        with(|s| s.learning_rate = 0.011),
        with(|s| s.weight_decay = 0.5),
        with(|s| s.activation = Activation::Tanh),
        with(|s| s.weighting = ClassWeights::Balanced),
    ] {
        assert_ne!(ours, other);
    }
}

#[test]
fn a_fit_taken_up_after_any_epoch_ends_at_the_bits_of_one_that_never_stopped() {
    let settings = settings(&[8]);
    let (train, validation) = (quarters(500, 1), quarters(200, 2));
    let task = Task { train: &train, validation: &validation, settings: &settings };
    let mut states = Vec::new();
    let mut keep = |state: &FitState| {
        states.push(serde_json::to_string(state).unwrap());
        FitFlow::GoOn
    };
    let whole = fit(&task, &Device::Cpu, None, &mut keep).unwrap();
    assert_eq!(states.len(), 12);
    for (epoch, state) in (1..).zip(&states) {
        let state: FitState = serde_json::from_str(state).unwrap();
        assert_eq!(state.epochs(), epoch);
        let again = fit(&task, &Device::Cpu, Some(state), &mut |_| FitFlow::GoOn).unwrap();
        assert_eq!(again, whole, "from epoch {epoch}");
    }
    let stopped = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::Stop);
    assert!(matches!(stopped, Err(FitError::Stopped)));
    let state: FitState = serde_json::from_str(&states[3]).unwrap();
    let other = FitSettings { hidden: vec![9], ..settings.clone() };
    let foreign = Task { settings: &other, ..task };
    let refused = fit(&foreign, &Device::Cpu, Some(state), &mut |_| FitFlow::GoOn);
    assert!(matches!(refused, Err(FitError::ForeignState)));
}

#[test]
fn it_stops_when_validation_gets_no_better_and_keeps_the_best_weights() {
    // The validation rows say the opposite of the training rows: every epoch makes it worse.
    let train = quarters(500, 1);
    let mut validation = quarters(200, 2);
    for class in &mut validation.classes {
        *class = 2 - *class;
    }
    let settings = FitSettings { patience: 3, ..settings(&[16]) };
    let task = Task { train: &train, validation: &validation, settings: &settings };
    let fitted = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap();
    let best = fitted.best_epoch as usize;
    assert_eq!(fitted.losses.len(), best + 3);
    let least = fitted.losses.iter().map(|l| l.validation).fold(f64::MAX, f64::min);
    assert!((fitted.losses[best - 1].validation - least).abs() < 2e-5);
    // The weights themselves, by the scorer: those of the best epoch, and not of the last one.
    let theirs = loss(&fitted, &settings, &validation);
    assert!((theirs - fitted.losses[best - 1].validation).abs() < 1e-5, "{theirs}");
    assert!((theirs - fitted.losses[best + 2].validation).abs() > 1e-3, "{theirs}");
}

#[test]
fn class_weights_are_taken_out_of_the_result() {
    // Inputs that say nothing, and one up in ten rows.
    let mut samples = Samples::new(1);
    for row in 0..1_000 {
        samples.push(&[0.0], if row % 10 == 0 { Class::Up } else { Class::Flat });
    }
    let settings =
        FitSettings { weighting: ClassWeights::Balanced, epochs_max: 200, ..settings(&[]) };
    let settings = FitSettings { patience: 200, ..settings };
    assert_eq!(ClassWeights::Balanced.weights([0, 900, 100]), [1.0, 1000.0 / 1800.0, 5.0]);
    let task = Task { train: &samples, validation: &samples, settings: &settings };
    let fitted = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap();
    let network = Network::new(&fitted.layers, Activation::Relu).unwrap();
    let [_, flat, up] = softmax(network.logits(&[0.0]));
    assert!((up / (up + flat) - 0.1).abs() < 0.02, "{up} {flat}");
}

#[test]
fn the_scorer_and_the_fit_agree_about_the_loss() {
    let settings = settings(&[16, 8]);
    let (train, validation) = (quarters(2_000, 1), quarters(500, 2));
    let task = Task { train: &train, validation: &validation, settings: &settings };
    let fitted = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap();
    let ours = loss(&fitted, &settings, &validation);
    let theirs = fitted.losses[fitted.best_epoch as usize - 1].validation;
    assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
}

/// Mean loss of rows by the scorer.
fn loss(fitted: &Fitted, settings: &FitSettings, samples: &Samples) -> f64 {
    let network = Network::new(&fitted.layers, settings.activation).unwrap();
    let rows = samples.inputs.chunks_exact(samples.width).zip(&samples.classes);
    let of = |(row, class): (&[f32], &u8)| {
        let inputs: Vec<f64> = row.iter().copied().map(f64::from).collect();
        -libm::log(softmax(network.logits(&inputs))[usize::from(*class)])
    };
    rows.map(of).sum::<f64>() / samples.len() as f64
}

#[test]
fn one_step_of_adamw_is_the_step_of_the_paper() {
    // One row, one input that is zero: only the biases have a slope. The first step of Adam has the length of the learning rate.
    let mut samples = Samples::new(1);
    samples.push(&[0.0], Class::Up);
    let settings = FitSettings {
        batch: 1,
        epochs_max: 1,
        learning_rate: 0.25,
        weight_decay: 0.5,
        ..settings(&[])
    };
    let task = Task { train: &samples, validation: &samples, settings: &settings };
    let fitted = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap();
    let biases = first_biases(samples.counts(), [1.0; 3]);
    // Each class counts once more than it was seen.
    let logarithms = [0.25, 0.25, 0.5].map(libm::log);
    assert_eq!(biases, logarithms);
    let before = dense(1, &settings, &first_weights(1, &settings, biases));
    let steps = before[0].bias.iter().zip([-0.25, -0.25, 0.25]);
    for (bias, (before, step)) in fitted.layers[0].bias.iter().zip(steps) {
        assert!((bias - before - step).abs() < 1e-6, "{:?}", fitted.layers);
    }
    // Weights without a slope lose their part of the decay: learning rate times weight decay.
    for (after, before) in fitted.layers[0].weights.iter().zip(&before[0].weights) {
        assert!((after - before * 0.875).abs() < 1e-7, "{after} {before}");
    }
}

#[test]
fn a_fit_begins_at_the_class_frequencies() {
    let mut samples = quarters(2_000, 1);
    // Of every ten rows nine are flat, whatever their inputs say.
    for (row, class) in samples.classes.iter_mut().enumerate() {
        *class = if row % 10 == 0 { 2 } else { 1 };
    }
    for weighting in [ClassWeights::None, ClassWeights::Balanced] {
        let settings =
            FitSettings { weighting, epochs_max: 1, learning_rate: 1e-9, ..settings(&[16]) };
        let task = Task { train: &samples, validation: &samples, settings: &settings };
        let fitted = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap();
        let frequencies = -(0.9 * libm::log(0.9) + 0.1 * libm::log(0.1));
        assert!((fitted.losses[0].validation - frequencies).abs() < 0.05, "{:?}", fitted.losses);
    }
}

#[test]
fn without_rows_and_without_sense_there_is_an_error_and_no_network() {
    let settings = settings(&[4]);
    let (train, none) = (quarters(100, 1), Samples::new(2));
    let task = Task { train: &train, validation: &none, settings: &settings };
    let error = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap_err();
    assert!(error.to_string().contains("100 training rows and 0 validation rows"), "{error}");
    let mut wild = train.clone();
    wild.inputs[0] = f32::NAN;
    let task = Task { train: &wild, validation: &train, settings: &settings };
    let error = fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn).unwrap_err();
    assert!(matches!(error, FitError::Astray(1)), "{error}");
}
