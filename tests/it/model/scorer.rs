//! The scorer against arithmetic with twice the digits, and against candle.

use candle_core::{DType, Device, Tensor};
use mjolnir::engine::{
    learn::scores::softmax,
    model::{Activation, Dense, Network},
};

use super::{
    fixture::layers,
    precise::{Pair, ZERO},
};
use crate::support::market::Dice;

const WIDTHS: [usize; 4] = [32, 64, 32, 3];
const ROWS: usize = 500;
/// How far the scorer may be from the exact logits, as a part of 1 + their size.
const EXACT_RELU: f64 = 1e-13;
/// The same for a hyperbolic tangent, whose sums stay smaller.
const EXACT_TANH: f64 = 2e-14;
/// How far its hyperbolic tangent may be from the exact one, in distances of neighbouring numbers.
const TANH_ULPS: f64 = 2.0;
/// How far a probability may be from the exact one.
const PROBABILITY: f64 = 4e-16;
/// The same as a part of it: the distance of two logits loses a digit.
const PROBABILITY_PART: f64 = 5e-15;
/// How far candle may be in single precision, whose order of additions depends on the shape.
const SINGLE: f64 = 1e-5;
/// The same in double precision.
const DOUBLE: f64 = 1e-13;

/// The exact logits, but for one part in 10^29 per operation.
fn exact(layers: &[Dense], inputs: &[f64], activation: Activation) -> Vec<Pair> {
    let mut x: Vec<Pair> = inputs.iter().map(|x| Pair::from(*x)).collect();
    for (place, layer) in layers.iter().enumerate() {
        let row = |output: usize| {
            let weights = &layer.weights[output * layer.inputs..][..layer.inputs];
            let bias = Pair::from(f64::from(layer.bias[output]));
            weights.iter().zip(&x).fold(bias, |sum, (w, x)| sum + *x * f64::from(*w).into())
        };
        let is_hidden = place + 1 < layers.len();
        let activated = |x: Pair| match activation {
            _ if !is_hidden => x,
            Activation::Relu if x.0 <= 0.0 => ZERO,
            Activation::Relu => x,
            Activation::Tanh => x.tanh(),
        };
        x = (0..layer.outputs).map(row).map(activated).collect();
    }
    x
}

fn rows(seed: u64) -> Vec<Vec<f64>> {
    let mut dice = Dice::new(seed);
    let mut draw = || dice.below(8_000_001) as f64 / 1e6 - 4.0;
    (0..ROWS).map(|_| (0..WIDTHS[0]).map(|_| draw()).collect()).collect()
}

/// The farthest that two answers are apart, as a part of 1 + their size.
fn farthest(ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> f64 {
    let each = ours.iter().flatten().zip(theirs.iter().flatten());
    each.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max)
}

fn scored(network: &Network, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    rows.iter().map(|row| network.logits(row).to_vec()).collect()
}

#[test]
fn logits_are_those_of_exact_arithmetic_but_for_the_last_digits() {
    for (activation, most) in [(Activation::Relu, EXACT_RELU), (Activation::Tanh, EXACT_TANH)] {
        for seed in 1..=5 {
            let layers = layers(seed, &WIDTHS);
            let network = Network::new(&layers, activation).unwrap();
            let rows = rows(seed);
            let exact = |row: &Vec<f64>| exact(&layers, row, activation);
            let reference: Vec<Vec<Pair>> = rows.iter().map(exact).collect();
            let largest = reference.iter().flatten().fold(0.0_f64, |most, x| most.max(x.0.abs()));
            assert!(largest > 1.0, "there is something to compare: {largest}");
            let ours = scored(&network, &rows);
            let each = ours.iter().flatten().zip(reference.iter().flatten());
            let apart = each.map(|(x, exact)| exact.distance(*x) / (1.0 + exact.0.abs()));
            let apart = apart.fold(0.0, f64::max);
            assert!(apart < most, "{activation:?}, seed {seed}: {apart:e}");
            // The reference is better than what it judges: they are not the same sums.
            assert!(apart > 0.0, "{activation:?}, seed {seed}");
        }
    }
}

/// The distance of two neighbours at a number.
fn ulp(x: f64) -> f64 {
    f64::from_bits(x.abs().to_bits() + 1) - x.abs()
}

#[test]
fn the_hyperbolic_tangent_is_exact_but_for_its_last_bits() {
    // One weight of one on the way in and out: a logit is the activation and nothing else.
    let one = |outputs: usize| Dense {
        inputs: 1,
        outputs,
        weights: vec![1.0; outputs],
        bias: vec![0.0; outputs],
    };
    let network = Network::new(&[one(1), one(3)], Activation::Tanh).unwrap();
    let mut dice = Dice::new(5);
    let mut worst = 0.0_f64;
    for n in 0..20_000 {
        // Of every size from one in a million to where it is one.
        let size = 10.0_f64.powf(dice.below(7_400_001) as f64 / 1e6 - 6.0);
        let x = if n % 2 == 0 { size } else { -size };
        let (ours, exact) = (network.logits(&[x])[2], Pair::from(x).tanh());
        let apart = exact.distance(ours) / ulp(exact.near());
        assert!(apart < TANH_ULPS, "tanh({x:e}) is {ours:e}, {apart} from the exact one");
        worst = worst.max(apart);
    }
    assert!(worst > 0.5, "the exact one has more digits: {worst}");
    for (x, y) in [(0.0, 0.0), (-0.0, -0.0), (1e-300, 1e-300), (1e6, 1.0), (-1e300, -1.0)] {
        assert_eq!(network.logits(&[x])[0], y, "{x}");
    }
}

#[test]
fn probabilities_are_those_of_exact_arithmetic_but_for_the_last_digits() {
    let mut dice = Dice::new(6);
    let mut draw = || dice.below(30_000_001) as f64 / 1e6 - 15.0;
    for _ in 0..5_000 {
        let logits = [draw(), draw(), draw()];
        let powers = logits.map(|logit| Pair::from(logit).exp());
        let sum = powers[0] + powers[1] + powers[2];
        for (ours, power) in softmax(logits).into_iter().zip(powers) {
            let exact = power / sum;
            let apart = exact.distance(ours);
            assert!(apart < PROBABILITY, "{logits:?}: {ours:e} is {apart:e} off");
            let part = apart / exact.near();
            assert!(part < PROBABILITY_PART, "{logits:?}: {ours:e} is {part:e} of itself off");
        }
    }
}

/// What candle makes of all rows at once.
fn candle(layers: &[Dense], rows: &[Vec<f64>], of: DType, activation: Activation) -> Vec<Vec<f64>> {
    let device = Device::Cpu;
    let flat: Vec<f64> = rows.concat();
    let mut x = Tensor::from_vec(flat, (rows.len(), WIDTHS[0]), &device).unwrap();
    x = x.to_dtype(of).unwrap();
    for (place, layer) in layers.iter().enumerate() {
        let shape = (layer.outputs, layer.inputs);
        let weight = Tensor::from_vec(layer.weights.clone(), shape, &device).unwrap();
        let bias = Tensor::from_vec(layer.bias.clone(), layer.outputs, &device).unwrap();
        let (weight, bias) = (weight.to_dtype(of).unwrap(), bias.to_dtype(of).unwrap());
        x = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        if place + 1 < layers.len() {
            x = match activation {
                Activation::Relu => x.relu().unwrap(),
                Activation::Tanh => x.tanh().unwrap(),
            };
        }
    }
    x.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
}

#[test]
fn candle_comes_to_the_same_logits_within_its_precision() {
    for activation in [Activation::Relu, Activation::Tanh] {
        let (layers, rows) = (layers(9, &WIDTHS), rows(9));
        let ours = scored(&Network::new(&layers, activation).unwrap(), &rows);
        let single = farthest(&ours, &candle(&layers, &rows, DType::F32, activation));
        let double = farthest(&ours, &candle(&layers, &rows, DType::F64, activation));
        assert!(single < SINGLE && single > 0.0, "{activation:?}: {single:e}");
        assert!(double < DOUBLE, "{activation:?}: {double:e}");
    }
}
