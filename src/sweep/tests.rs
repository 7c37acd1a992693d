//! The statistics against SciPy 1.17.1 and NumPy 2.4.6.

use super::{
    normal::{phi, quantile},
    pbo::overfitting,
    sobol::Sobol,
    stats::best_of,
    sums::{BlockSum, DayBlocks, DaySums},
};

const EXPECTED: &str = include_str!("tests/expected/expected.txt");

/// The walk of `generate.py`.
fn returns(seed: u64, days: u32, quiet: u32) -> Vec<f64> {
    let mut state = seed;
    let one = |day: u32| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let r = (state >> 33) as i64 % 600_001 - 290_000;
        if quiet > 0 && day.is_multiple_of(quiet) { 0.0 } else { r as f64 / 1e7 }
    };
    (0..days).map(one).collect()
}

fn folded(days: &[f64], blocks: u32) -> DaySums {
    let mut sums = DaySums::new(DayBlocks::new(days.len() as u32, blocks));
    for r in days {
        sums.take(*r);
    }
    sums
}

/// What we give for a line, in the order of its values; an unknown figure is a NaN.
fn ours(what: &str, args: &[&str]) -> Vec<f64> {
    let number = |at: usize| args[at].parse::<f64>().unwrap();
    match what {
        "quantile" => vec![quantile(number(0))],
        "phi" => vec![phi(number(0))],
        "best_of" => vec![best_of(args[0].parse().unwrap())],
        "moments" => {
            let days = match args[0] {
                "one" => (0..300).map(|day| if day == 17 { 0.05 } else { 0.0 }).collect(),
                "two" => vec![0.01, 0.03],
                seed => returns(
                    seed.parse().unwrap(),
                    args[1].parse().unwrap(),
                    args[2].parse().unwrap(),
                ),
            };
            let sample = folded(&days, 16).sample().unwrap();
            let known = |figure: Option<f64>| figure.unwrap_or(f64::NAN);
            vec![
                sample.sharpe,
                sample.skew,
                sample.kurtosis,
                known(sample.chance_above(0.0)),
                known(sample.chance_above(0.05)),
                known(sample.days_min()),
            ]
        }
        "pbo" => {
            let [seed, many, days, blocks] =
                [0, 1, 2, 3].map(|at| args[at].parse::<u32>().unwrap());
            let trials: Vec<DaySums> = (0..many)
                .map(|k| folded(&returns(u64::from(seed + k), days, k % 4), blocks))
                .collect();
            let blocks: Vec<&[BlockSum]> = trials.iter().map(|sums| &sums.blocks[..]).collect();
            let found = overfitting(&blocks, 7).unwrap();
            vec![found.share, f64::from(found.splits)]
        }
        "sobol" => {
            let (axes, index): (usize, usize) =
                (args[0].parse().unwrap(), args[1].parse().unwrap());
            let mut points = Sobol::plain(axes);
            (0..index).for_each(|_| drop(points.point()));
            points.point()
        }
        other => unreachable!("{other} is not in generate.py"),
    }
}

#[test]
fn every_figure_is_that_of_scipy() {
    let mut lines = 0;
    for line in EXPECTED.lines() {
        let (left, right) = line.split_once('|').unwrap();
        let words: Vec<&str> = left.split_whitespace().collect();
        let want: Vec<f64> = right.split_whitespace().map(|value| value.parse().unwrap()).collect();
        let got = ours(words[0], &words[1..]);
        assert_eq!(got.len(), want.len(), "{line}");
        for (got, want) in got.iter().zip(&want) {
            let near = (got - want).abs() <= 1e-9 * want.abs().max(1e-3);
            let far_tail = want.abs() < 1e-15 && (got / want - 1.0).abs() < 1e-9;
            assert!(near || far_tail || got.is_nan() && want.is_nan(), "{got} {want}: {line}");
        }
        lines += 1;
    }
    assert_eq!(lines, 61, "every line was read");
}
