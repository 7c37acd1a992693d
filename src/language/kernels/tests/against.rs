//! The kernels against the plain evaluator on random bars, with unknown numbers among the arguments, and their lags.

use proptest::prelude::*;

use super::{
    by_name,
    naive::{self, Market},
};
use crate::{
    domain::bar::Bar,
    language::kernels::{sample::length, window},
};

/// Arguments: `x` a number series, `c` conditions; then the number of lengths, and whether there is a factor.
const FUNCTIONS: [(&str, &str, usize); 49] = [
    ("sma", "x", 1),
    ("ema", "x", 1),
    ("wma", "x", 1),
    ("rma", "x", 1),
    ("hma", "x", 1),
    ("vwma", "x", 1),
    ("rsi", "x", 1),
    ("stoch_k", "", 2),
    ("stoch_d", "", 3),
    ("cci", "", 1),
    ("mfi", "", 1),
    ("willr", "", 1),
    ("adx", "", 1),
    ("plus_di", "", 1),
    ("minus_di", "", 1),
    ("roc", "x", 1),
    ("mom", "x", 1),
    ("macd", "x", 2),
    ("macd_signal", "x", 3),
    ("macd_hist", "x", 3),
    ("tr", "", 0),
    ("atr", "", 1),
    ("natr", "", 1),
    ("stdev", "x", 1),
    ("bb_upper", "x", 1),
    ("bb_mid", "x", 1),
    ("bb_lower", "x", 1),
    ("kc_upper", "", 1),
    ("kc_mid", "", 1),
    ("kc_lower", "", 1),
    ("supertrend", "", 1),
    ("highest", "x", 1),
    ("lowest", "x", 1),
    ("zscore", "x", 1),
    ("rank", "x", 1),
    ("log_return", "x", 1),
    ("volatility", "", 1),
    ("volume_z", "", 1),
    ("corr", "xx", 1),
    ("day_open", "", 0),
    ("day_high", "", 0),
    ("day_low", "", 0),
    ("day_vwap", "", 0),
    ("rising", "x", 1),
    ("falling", "x", 1),
    ("count", "c", 1),
    ("bars_since", "c", 1),
    ("value_when", "cx", 1),
    ("delay", "x", 1),
];

/// The lag of a function by name; the larger of `n` and `slow` counts for the MACD, whose `n` is the fast one.
fn lag(name: &str, lengths: &[u32], timeframe_ms: i64) -> u64 {
    let n = |i: usize| length(lengths[i]);
    match name {
        "sma" | "wma" | "vwma" | "stdev" | "bb_upper" | "bb_mid" | "bb_lower" | "highest"
        | "lowest" | "zscore" | "rank" | "corr" | "volume_z" | "cci" | "willr" | "count"
        | "bars_since" | "value_when" => window::window(n(0)),
        "delay" | "roc" | "mom" | "log_return" | "rising" | "falling" | "mfi" | "volatility" => {
            window::change(n(0))
        }
        "ema" | "kc_mid" => window::ema(n(0)),
        "rma" | "rsi" | "atr" | "natr" | "kc_upper" | "kc_lower" | "supertrend" | "plus_di"
        | "minus_di" => window::wilder(n(0)),
        "adx" => window::adx(n(0)),
        "hma" => window::hma(n(0)),
        "stoch_k" => window::stoch_k(n(0), n(1)),
        "stoch_d" => window::stoch_d(n(0), n(1), n(2)),
        "macd" => window::macd(n(1)),
        "macd_signal" | "macd_hist" => window::macd_signal(n(1), n(2)),
        "tr" => window::TRUE_RANGE,
        "day_open" | "day_high" | "day_low" | "day_vwap" => window::day(timeframe_ms),
        name => panic!("{name} has no lag"),
    }
}

/// Bars with prices in quarters, so that sums are exact and a tie is a tie in every order of summing; some without range, some
/// without volume.
fn market() -> impl Strategy<Value = Market> {
    let bar = (-6_i32..=6, 0_i32..5, 0_i32..5, -4_i32..=4, 0_u32..9, 0_u32..6);
    let steps = prop::collection::vec(bar, 1..90);
    (steps, 0_i64..30, prop::sample::select(vec![1_i64, 2, 4, 24])).prop_map(
        |(steps, at, hours)| {
            let mut close = 400;
            let bars = steps.into_iter().map(|(gap, up, down, body, volume, dead)| {
                let volume = if volume < 2 { 0.0 } else { f64::from(volume) };
                if dead == 0 {
                    let price = f64::from(close) / 4.0;
                    return Bar::new([price, price, price, price, volume]).unwrap();
                }
                let open = (close + gap / 3).max(20);
                close = (open + body).max(20);
                let (high, low) = (open.max(close) + up, open.min(close) - down);
                let [open, high, low, close] = [open, high, low, close].map(|x| f64::from(x) / 4.0);
                Bar::new([open, high, low, close, volume]).unwrap()
            });
            Market::new(bars.collect(), at * hours * 3_600_000, hours * 3_600_000)
        },
    )
}

/// A number series beside the bars: some of it unknown if `holes`, beginning with a run of unknown ones.
fn numbers(holes: bool) -> impl Strategy<Value = Vec<f64>> {
    let one = (0_u32..16, -40_i32..40).prop_map(move |(kind, x)| match kind {
        0 if holes => f64::NAN,
        1 if holes => f64::INFINITY,
        2 if holes => f64::NEG_INFINITY,
        3..8 => 2.5,
        _ => f64::from(x) / 4.0,
    });
    (prop::collection::vec(one, 90), 0_usize..12).prop_map(move |(mut all, unknown)| {
        let leading = if holes { unknown } else { 0 };
        all[..leading].fill(f64::NAN);
        all
    })
}

fn conditions(holes: bool) -> impl Strategy<Value = Vec<f64>> {
    let one = (0_u32..16).prop_map(move |kind| match kind {
        0 if holes => f64::NAN,
        1..4 => 1.0,
        _ => 0.0,
    });
    prop::collection::vec(one, 90)
}

fn lengths() -> impl Strategy<Value = [u32; 3]> {
    [1_u32..20, 1_u32..12, 1_u32..8]
}

/// The arguments and the lengths of a function, from series and lengths that serve all of them.
fn arguments<'a>(
    (name, kinds, count): (&str, &str, usize),
    [first, second, condition]: [&'a [f64]; 3],
    [n, m, d]: [u32; 3],
) -> (Vec<&'a [f64]>, Vec<u32>) {
    let mut numbers = [first, second].into_iter();
    let args =
        kinds.chars().map(|kind| if kind == 'x' { numbers.next().unwrap() } else { condition });
    let lengths = match name {
        name if name.starts_with("macd") => [n, n + m, d],
        "volatility" => [n + 1, m, d],
        _ => [n, m, d],
    };
    (args.collect(), lengths[..count].to_vec())
}

proptest! {
    #[test]
    fn they_agree_with_the_plain_evaluator(
        market in market(), x in numbers(true), y in numbers(true), c in conditions(true),
        lengths in lengths(), k in 0_i32..12,
    ) {
        let [x, y, c] = [&x, &y, &c].map(|series| &series[..market.bars.len()]);
        for function in FUNCTIONS {
            let k = f64::from(k) / 4.0;
            let (args, lengths) = arguments(function, [x, y, c], lengths);
            let (args, lengths) = (&args[..], &lengths[..]);
            let call = by_name::Call { name: function.0, market: &market, args, lengths, k };
            let got = by_name::run(&call);
            let expected = naive::eval(function.0, &market, args, lengths, k);
            for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
                let unknown = !got.is_finite() && !expected.is_finite();
                let near = (got - expected).abs() <= 1e-9 * expected.abs().max(1.0);
                prop_assert!(
                    unknown || near,
                    "{} {lengths:?} {k} at {i}: {got}, expected {expected}", function.0,
                );
            }
        }
    }

    #[test]
    fn finite_bars_give_a_number_from_the_lag_on(
        market in market(), x in numbers(false), y in numbers(false), c in conditions(false),
        lengths in lengths(), k in 0_i32..12,
    ) {
        // A condition may never have been true, and there are no logarithms of what is not above 0.
        let x: Vec<f64> = x.iter().map(|x| x.abs() + 1.0).collect();
        for function in FUNCTIONS.into_iter().filter(|function| function.0 != "value_when") {
            let k = f64::from(k) / 4.0;
            let (args, lengths) = arguments(function, [&x, &y, &c], lengths);
            let call = by_name::Call {
                name: function.0, market: &market, args: &args, lengths: &lengths, k,
            };
            let got = by_name::run(&call);
            let lag = lag(function.0, &lengths, market.timeframe_ms) as usize;
            let late = got.iter().enumerate().skip(lag).find(|(_, value)| !value.is_finite());
            prop_assert!(late.is_none(), "{} {lengths:?}: {late:?}, lag {lag}", function.0);
        }
    }

    #[test]
    fn whatever_came_in_is_forgotten_or_finite(
        wild in prop::collection::vec(any::<f64>(), 90), market in market(), x in numbers(false),
        lengths in lengths(),
    ) {
        // After any numbers at all, as many good ones as the lag make every function known again.
        let bars: Vec<Bar> = market.bars.iter().cycle().take(400).copied().collect();
        let long = Market::new(bars, 0, market.timeframe_ms);
        let good: Vec<f64> = x.iter().cycle().take(310).map(|x| x.abs() + 1.0).collect();
        let series: Vec<f64> = wild.iter().copied().chain(good).collect();
        let c: Vec<f64> = series.iter().map(|x| f64::from(u8::from(*x > 3.0))).collect();
        for function in FUNCTIONS.into_iter().filter(|function| function.0 != "value_when") {
            let (args, lengths) = arguments(function, [&series, &series, &c], lengths);
            let call = by_name::Call {
                name: function.0, market: &long, args: &args, lengths: &lengths, k: 2.0,
            };
            let got = by_name::run(&call);
            let lag = lag(function.0, &lengths, long.timeframe_ms) as usize;
            let late = got[90..].iter().enumerate().skip(lag).find(|(_, value)| !value.is_finite());
            prop_assert!(late.is_none(), "{} {lengths:?}: {late:?}, lag {lag}", function.0);
        }
    }
}
