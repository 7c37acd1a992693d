//! A short irregular series (a hole in price both ways, a bar without range or volume, equal closes) and how tests compare.

use super::window::Length;
use crate::domain::bar::Bar;

/// Open, high, low, close, volume.
const BARS: [[f64; 5]; 24] = [
    [101.3, 102.7, 100.9, 102.1, 13.5],
    [102.1, 102.1, 102.1, 102.1, 0.0],
    [102.2, 104.75, 101.6, 104.4, 41.25],
    [104.4, 104.9, 98.05, 98.3, 207.75],
    [98.3, 99.95, 97.1, 99.2, 88.0],
    [107.5, 109.35, 106.8, 108.6, 512.5],
    [108.6, 108.9, 107.15, 107.15, 64.125],
    [107.15, 107.4, 103.3, 104.05, 77.7],
    [104.0, 104.6, 103.95, 104.05, 9.4],
    [104.05, 106.2, 103.7, 105.85, 33.3],
    [105.9, 111.45, 105.5, 110.9, 150.6],
    [110.8, 112.2, 110.1, 110.35, 95.05],
    [96.4, 99.0, 94.85, 95.6, 840.2],
    [95.6, 97.35, 95.2, 96.9, 120.9],
    [96.9, 96.95, 93.4, 94.15, 99.9],
    [94.2, 95.15, 93.85, 94.15, 18.2],
    [94.1, 98.8, 94.0, 98.45, 140.0],
    [98.45, 99.05, 97.6, 97.75, 51.5],
    [97.8, 101.3, 97.55, 100.95, 72.6],
    [101.0, 103.65, 100.7, 103.2, 66.6],
    [103.2, 103.3, 102.85, 103.05, 12.75],
    [103.05, 104.15, 99.4, 99.85, 110.1],
    [99.9, 100.2, 99.3, 99.3, 25.5],
    [99.3, 102.05, 98.9, 101.8, 47.3],
];

/// The series.
pub(crate) fn bars() -> impl Iterator<Item = Bar> {
    BARS.into_iter().map(|values| Bar::new(values).unwrap())
}

/// Its closes.
pub(crate) fn closes() -> impl Iterator<Item = f64> {
    bars().map(|bar| bar.close())
}

/// A length that is known to be good.
pub(crate) fn length(bars: u32) -> Length {
    Length::new(bars).unwrap()
}

/// The values after the warm-up; every one before must be NaN, none after.
pub(super) fn outputs(got: impl Iterator<Item = f64>, warm_up: u32) -> Vec<f64> {
    let got: Vec<f64> = got.collect();
    let (before, after) = got.split_at(warm_up as usize - 1);
    assert!(before.iter().all(|x| x.is_nan()), "a value before the warm-up ends: {got:?}");
    assert!(!after.iter().any(|x| x.is_nan()), "NaN after the warm-up: {got:?}");
    after.to_vec()
}

/// The values after the warm-up are the expected ones, to a relative 1e-12.
pub(super) fn check(got: impl Iterator<Item = f64>, warm_up: u32, expected: &[f64]) {
    let got = outputs(got, warm_up);
    assert_eq!(got.len(), expected.len());
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs();
        assert!(error <= 1e-12 * expected.abs(), "value {i}: {got}, expected {expected}");
    }
}
