//! The scorer against arithmetic with twice the digits, and against candle.

use candle_core::{DType, Device, Tensor};
use mjolnir::engine::model::{Activation, Dense, Network};

use super::fixture::layers;
use crate::support::market::Dice;

const WIDTHS: [usize; 4] = [32, 64, 32, 3];
const ROWS: usize = 500;
/// How far the scorer may be from the exact logits, as a part of 1 + their size.
const EXACT: f64 = 1e-13;
/// How far candle may be in single precision, whose order of additions depends on the shape.
const SINGLE: f64 = 1e-5;
/// The same in double precision.
const DOUBLE: f64 = 1e-13;

/// A number as an unevaluated sum of two (Dekker 1971): 106 bits.
#[derive(Clone, Copy)]
struct Pair(f64, f64);

impl Pair {
    /// Knuth's sum without error, then what is left of it.
    fn plus(self, other: Self) -> Self {
        let sum = self.0 + other.0;
        let back = sum - self.0;
        let error = (self.0 - (sum - back)) + (other.0 - back);
        let low = error + self.1 + other.1;
        let head = sum + low;
        Self(head, low - (head - sum))
    }

    /// The product of two numbers without error; a fused multiply-add rounds once.
    fn product(a: f64, b: f64) -> Self {
        let head = a * b;
        Self(head, a.mul_add(b, -head))
    }

    fn times(self, x: f64) -> Self {
        Self::product(self.0, x).plus(Self(self.1 * x, 0.0))
    }
}

/// The exact logits, but for one part in 10^30 per operation.
fn exact(layers: &[Dense], inputs: &[f64]) -> Vec<f64> {
    let mut x: Vec<Pair> = inputs.iter().map(|x| Pair(*x, 0.0)).collect();
    for (place, layer) in layers.iter().enumerate() {
        let row = |output: usize| {
            let weights = &layer.weights[output * layer.inputs..][..layer.inputs];
            let bias = Pair(f64::from(layer.bias[output]), 0.0);
            weights.iter().zip(&x).fold(bias, |sum, (w, x)| sum.plus(x.times(f64::from(*w))))
        };
        let mut next: Vec<Pair> = (0..layer.outputs).map(row).collect();
        if place + 1 < layers.len() {
            next.iter_mut().filter(|x| x.0 <= 0.0).for_each(|x| *x = Pair(0.0, 0.0));
        }
        x = next;
    }
    x.iter().map(|x| x.0 + x.1).collect()
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
    for seed in 1..=5 {
        let layers = layers(seed, &WIDTHS);
        let network = Network::new(&layers, Activation::Relu).unwrap();
        let rows = rows(seed);
        let reference: Vec<Vec<f64>> = rows.iter().map(|row| exact(&layers, row)).collect();
        let largest = reference.iter().flatten().fold(0.0_f64, |most, x| most.max(x.abs()));
        assert!(largest > 1.0, "there is something to compare: {largest}");
        let apart = farthest(&scored(&network, &rows), &reference);
        assert!(apart < EXACT, "seed {seed}: {apart:e}");
        // The reference is better than what it judges: they are not the same sums.
        assert!(apart > 0.0, "seed {seed}");
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
