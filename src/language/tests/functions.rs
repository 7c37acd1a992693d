//! Every function by its name in a text, against its definition: that the right kernel runs with the right arguments.

use super::{
    super::{
        functions::{Back, table::Arg},
        kernels::tests::naive::{self, Market},
    },
    CheckedStrategy, Values,
    fixtures::walk,
    raw, strategy,
};
use crate::domain::{
    bar::{Bar, TimedBar},
    time::{DAY_MS, Timeframe},
};

const LENGTHS: [u32; 3] = [5, 7, 3];
const FACTOR: f64 = 1.5;

/// The call with different inputs and lengths, and the columns of the inputs.
fn call(back: Back, market: &Market) -> (String, Vec<Vec<f64>>, Vec<u32>) {
    let (mut texts, mut inputs, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for arg in back.row().args {
        let text = match arg {
            Arg::Number(_) => {
                let name = if inputs.is_empty() { "high" } else { "close" };
                inputs.push(market.series(name));
                name.to_owned()
            }
            Arg::Condition(_) => {
                let pairs = market.series("close").into_iter().zip(market.series("open"));
                inputs.push(pairs.map(|(close, open)| f64::from(u8::from(close > open))).collect());
                "close > open".to_owned()
            }
            Arg::Length(_) => {
                lengths.push(LENGTHS[lengths.len()]);
                lengths[lengths.len() - 1].to_string()
            }
            Arg::Factor(_) => FACTOR.to_string(),
        };
        texts.push(text);
    }
    (format!("{}({})", back.row().name, texts.join(", ")), inputs, lengths)
}

#[test]
fn each_name_runs_its_own_kernel() {
    let timeframe = Timeframe::H1;
    // Without holes, which the definition does not know.
    let plain: Vec<Bar> = walk(3, 300, timeframe).into_iter().map(|bar| bar.bar).collect();
    let start_ms = 1000 * DAY_MS;
    let market = Market::new(plain.clone(), start_ms, timeframe.ms());
    for back in Back::ALL.iter().copied().filter(|back| !back.crosses()) {
        let (text, inputs, lengths) = call(back, &market);
        let mut raw = raw("close > open");
        let is_condition = matches!(back, Back::Rising | Back::Falling);
        let body = if is_condition { format!("if({text}, 1, 0)") } else { text.clone() };
        raw.lets.insert("x".to_owned(), body);
        let strategy = CheckedStrategy::new(&raw, &Values::new(), timeframe, &[]).expect(&text);
        let timed = plain.iter().zip(&market.closes_ms);
        let timed = timed
            .map(|(bar, close_ms)| TimedBar { ts: timeframe.slot(*close_ms).unwrap(), bar: *bar });
        let mut got = Vec::new();
        strategy.exports().start().run(&timed.collect::<Vec<_>>(), &mut got);
        let columns: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let expected = naive::eval(back.row().name, &market, &columns, &lengths, FACTOR);
        let mut known = 0;
        for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let near = (got - expected).abs() <= 1e-9 * expected.abs().max(1.0);
            assert!(
                near || (got.is_nan() && expected.is_nan()),
                "{text} at {at}: {got}, {expected}"
            );
            known += usize::from(!got.is_nan());
        }
        assert!(known > 100, "{text}: {known} known values");
    }
}

#[test]
fn a_function_is_known_when_its_lag_has_passed() {
    let timeframe = Timeframe::H1;
    let bars = walk(9, 400, timeframe);
    for back in Back::ALL.iter().copied() {
        let market = Market::new(Vec::new(), 0, timeframe.ms());
        let (text, ..) = call(back, &market);
        let text = text.replace("(high, close)", "(close, open)");
        let is_condition = matches!(back, Back::Rising | Back::Falling) || back.crosses();
        let body = if is_condition { format!("if({text}, 1, 0)") } else { text };
        let mut raw = raw("x > 0");
        raw.lets.insert("x".to_owned(), body.clone());
        let strategy = strategy(&raw);
        let lag = strategy.warm_up().lag as usize;
        let mut got = Vec::new();
        strategy.features().start().run(&bars, &mut got);
        // `value_when` may not have seen its condition.
        if back != Back::ValueWhen {
            let mut x = got.iter().step_by(strategy.features().width()).skip(lag);
            assert!(x.all(|x| x.is_finite()), "{body}: lag {lag}");
        }
    }
}
