//! A small sweep that is built in, played by every machine before it plays a part of a real one: the same bits, or nothing.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    domain::{
        series::Series,
        time::{DAY_MS, Timeframe, Window},
    },
    engine::{rules::StopFill, signals::Signals, step::Core},
    exchange::made_up::walk_bars,
    jobs::engine_setup::core,
    language::{RawDistances, RawProtect, RawRule, RawStrategy},
    manifest::{Account, Fill, Limits, Trading},
    outcome::Failure,
    store::digest::sha256_hex,
    sweep::{
        market::NullMarket,
        normal::{phi, quantile},
        sums::DayBlocks,
        trial::{PlayedTrial, Tape, play},
    },
};

const FRAME: Timeframe = Timeframe::H4;
/// 2020-01-01, days since 1970.
const FIRST_DAY: i64 = 18_262;
const DAYS: i64 = 60;
const SEED: u64 = 7;

/// What it gives, as a hash. It meets the functions that a processor or a library could do otherwise: logarithms, roots, the normal
/// distribution, averages, sums of money.
pub fn probe() -> String {
    let slot = |day: i64| FRAME.slot(day * DAY_MS).expect("a midnight is a slot");
    let days = |first: i64, last: i64| {
        Window::new(slot(first).next(), slot(last)).expect("its days are in order")
    };
    let bars = walk_bars(SEED, days(FIRST_DAY, FIRST_DAY + 2 * DAYS), 0.3);
    let null = NullMarket::new(&bars).null(SEED, 1);
    let window = days(FIRST_DAY + DAYS, FIRST_DAY + 2 * DAYS);
    let cores = [trial("ema(close, 5)"), trial("close - rsi(close, 7) * stdev(close, 9)")];
    let cores: Vec<&Core> = cores.iter().collect();
    let signals = vec![Signals::default(); cores.len()];
    let mut text = String::new();
    for bars in [&bars, &null] {
        let tape = Tape { bars, window, cut: DayBlocks::new(DAYS as u32, 4), keeps: true };
        for PlayedTrial { sums, net, growth, drawdown, days, .. } in
            play(&cores, tape, &signals, &|| false).unwrap_or_default()
        {
            let _ = writeln!(text, "{sums:?} {net:?} {growth:?} {drawdown:?} {days:?}");
        }
    }
    for n in 1..200_u32 {
        let p = f64::from(n) / 200.0;
        let _ = writeln!(text, "{:?} {:?}", quantile(p), phi(p * 6.0 - 3.0));
    }
    sha256_hex(text.as_bytes())
}

fn trial(line: &str) -> Core {
    made(line).expect("what is built in is a strategy")
}

fn made(line: &str) -> Result<Core, Failure> {
    let rule = |rule: &str, side: &str, when: &str| RawRule {
        rule: rule.to_owned(),
        side: Some(side.to_owned()),
        when: when.to_owned(),
    };
    let lets = [("f", line), ("s", "sma(close, 12)"), ("w", "log(exp(atr(14) / close)) * close")];
    let rules = RawStrategy {
        cadence_bars: 1,
        sides: "both".to_owned(),
        lets: lets.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
        enter: vec![
            rule("up", "long", "crosses_above(f, s)"),
            rule("down", "short", "crosses_below(f, s)"),
        ],
        protect: RawProtect {
            both: RawDistances {
                stop: Some("2 * w".to_owned()),
                trail: Some("3 * w".to_owned()),
                ..RawDistances::default()
            },
            ..RawProtect::default()
        },
        ..RawStrategy::default()
    };
    let (exchange, symbol) = ("probe".parse(), "BTC/USD".parse());
    let series =
        Series::new(exchange.expect("the name is good"), symbol.expect("the name is good"), FRAME);
    let trading = Trading {
        series,
        cadence_bars: 1,
        rules,
        model: None,
        signals: BTreeMap::new(),
        fill: Fill::default(),
        account: Account::default(),
        risk: Limits::default(),
    };
    core(&trading, StopFill::ThroughOpen, |_| unreachable!("it follows no model"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_trades_and_gives_the_same_every_time() {
        assert_eq!(probe(), probe());
        let bars = walk_bars(
            SEED,
            Window::new(
                FRAME.slot(FIRST_DAY * DAY_MS).unwrap(),
                FRAME.slot((FIRST_DAY + 2 * DAYS) * DAY_MS).unwrap(),
            )
            .unwrap(),
            0.3,
        );
        let window = Window::new(
            FRAME.slot((FIRST_DAY + DAYS) * DAY_MS).unwrap().next(),
            bars.last().unwrap().ts,
        )
        .unwrap();
        let core = trial("ema(close, 5)");
        let tape = Tape { bars: &bars, window, cut: DayBlocks::new(60, 4), keeps: false };
        let played = play(&[&core], tape, &[Signals::default()], &|| false).unwrap();
        assert!(played[0].trades > 10, "{}", played[0].trades);
    }
}
