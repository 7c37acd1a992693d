//! The kernels against TA-Lib 0.8.1 (Python wheel 0.8.2) and NumPy, on the sample and on 300 bars.

use super::{by_name, naive::Market};
use crate::{domain::bar::Bar, language::kernels::sample};

const EXPECTED: &str = include_str!("expected/expected.txt");
const HOUR_MS: i64 = 3_600_000;
const FIRST_OPEN_MS: i64 = 1_700_000_000_000 / HOUR_MS * HOUR_MS;

/// The walk of `generate.py`.
fn random_bars() -> Vec<Bar> {
    let mut state = 20_260_207_u64;
    let mut below = |n: i64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as i64 % n
    };
    let mut close = 10_000;
    let one = |i| {
        let mut open = close + below(41) - 20;
        close = open + below(401) - 200;
        let mut high = open.max(close) + below(60);
        let mut low = open.min(close) - below(60);
        let mut volume = below(1_000_000);
        if i % 37 == 36 {
            (open, high, low, volume) = (close, close, close, 0);
        }
        let [open, high, low, close] = [open, high, low, close].map(|x| x as f64 / 100.0);
        Bar::new([open, high, low, close, volume as f64 / 1000.0]).unwrap()
    };
    (0..300).map(one).collect()
}

/// One line of the file.
struct Line<'a> {
    series: &'a str,
    name: &'a str,
    arg: Vec<&'a str>,
    lengths: Vec<u32>,
    k: f64,
    first: usize,
    step: usize,
    values: Vec<f64>,
}

fn parse(line: &str) -> Line<'_> {
    let [call, at, values] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
    let mut words = call.split(' ');
    let (series, name) = (words.next().unwrap(), words.next().unwrap());
    let (mut arg, mut lengths, mut k) = (vec![], vec![], f64::NAN);
    for word in words {
        match word.strip_prefix("k=") {
            Some(number) => k = number.parse().unwrap(),
            None if word.starts_with(char::is_alphabetic) => arg.push(word),
            None => lengths.push(word.parse().unwrap()),
        }
    }
    let (first, step) = at.split_once(' ').unwrap();
    let values = values.split(' ').map(|x| x.parse().unwrap()).collect();
    let (first, step) = (first.parse().unwrap(), step.parse().unwrap());
    Line { series, name, arg, lengths, k, first, step, values }
}

#[test]
fn they_agree_with_ta_lib_and_numpy() {
    let market = |bars| Market::new(bars, FIRST_OPEN_MS, HOUR_MS);
    let markets = [market(sample::bars().collect()), market(random_bars())];
    let mut lines = 0;
    for text in EXPECTED.lines() {
        let line = parse(text);
        let market = &markets[usize::from(line.series == "random")];
        let args: Vec<Vec<f64>> = line.arg.iter().map(|name| market.series(name)).collect();
        let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
        let (name, lengths, k) = (line.name, &line.lengths[..], line.k);
        let got = by_name::run(&by_name::Call { name, market, args: &args, lengths, k });
        // TA-Lib's MACD is shown from the bar on at which its signal is warm; the same bar here, as the signal is of 1.
        let first = got.iter().position(|x| !x.is_nan()).unwrap();
        assert_eq!(first, line.first, "{text}");
        let shown: Vec<f64> = got[first..].iter().copied().step_by(line.step).collect();
        assert_eq!(shown.len(), line.values.len(), "{text}");
        for (i, (got, expected)) in shown.iter().zip(&line.values).enumerate() {
            // Sums that subtract lose digits of what they sum, not of the small number that is left.
            let error = (got - expected).abs();
            assert!(error <= 1e-9 * expected.abs().max(1e-3), "value {i} of {text}: {got}");
        }
        lines += 1;
    }
    assert_eq!(lines, 170);
}
