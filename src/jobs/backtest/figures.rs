//! The tearsheet as a few lines of text. A figure that has no meaning is a dash, never a made-up number.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    domain::{
        decision::Reason,
        time::{DAY_MS, SlotTs, Window},
    },
    engine::metrics::tearsheet::Tearsheet,
    session::replay::ReplayOutcome,
};

/// The figures, one line per theme.
pub fn figures(sheet: &Tearsheet) -> String {
    let (curve, trades) = (&sheet.curve, &sheet.trades);
    let drawdown = curve.max_drawdown.map(|fall| -fall.depth.abs());
    let mut text = String::new();
    let _ = writeln!(
        text,
        "net {} ({})  CAGR {}  Sharpe {}  Sortino {}  Calmar {}",
        number(Some(curve.net)),
        percent(Some(curve.total_return)),
        percent(curve.cagr),
        number(curve.sharpe),
        number(curve.sortino),
        number(curve.calmar),
    );
    let _ = writeln!(
        text,
        "max drawdown {}  longest under water {:.1} days  exposure {}",
        percent(drawdown),
        curve.underwater_ms_max as f64 / DAY_MS as f64,
        percent(curve.exposure),
    );
    let _ = writeln!(
        text,
        "trades {}  win rate {}  profit factor {}  expectancy {}  SQN {}  fees {}  ambiguous bars {}",
        trades.trades,
        percent(trades.win_rate),
        number(trades.profit_factor),
        number(trades.expectancy),
        number(trades.sqn),
        trades.fees,
        trades.ambiguous,
    );
    let exits: Vec<String> = trades
        .exits
        .iter()
        .map(|(reason, exits)| format!("{} {}", exits.count, reason.name()))
        .collect();
    let _ = writeln!(
        text,
        "exits: {}",
        if exits.is_empty() { "none".to_owned() } else { exits.join(", ") }
    );
    text
}

/// The share of slots without a bar, above the figures that were computed without them; nothing when there is none.
pub fn holes(missing: u64, window: Window) -> String {
    let slots = window.slots();
    if missing == 0 {
        return String::new();
    }
    let share = percent(Some(missing as f64 / slots as f64));
    format!(
        "no bar in {missing} of {slots} slots ({share}): nothing was decided there, and stops did not run\n"
    )
}

/// What kept rules from deciding or entering, and a stop that cannot have been meant; nothing where there is nothing to say.
pub fn odd(played: &ReplayOutcome) -> String {
    let list = |counts: Vec<String>| counts.join(", ");
    let mut text = String::new();
    if !played.skipped.is_empty() {
        let counts = played.skipped.iter().map(|(reason, n)| format!("{n} {reason}"));
        let _ = writeln!(text, "slots without a decision: {}", list(counts.collect()));
    }
    if !played.blocked.is_empty() {
        let counts = played.blocked.iter().map(|(block, n)| format!("{n} {}", block.name()));
        let _ = writeln!(text, "entries blocked: {}", list(counts.collect()));
    }
    if let Some((ts, part)) = played.far_stop {
        let _ = writeln!(
            text,
            "the stop at {ts} is {} of the price away: strategy.protect takes distances, as in 2.0 * atr(14), and not prices",
            percent(Some(part))
        );
    }
    text
}

/// Where entry rules of both sides were true: the one that comes first in the file counts, which may not be what was meant.
pub fn contested(found: &BTreeMap<(Reason, Reason), (u64, SlotTs)>) -> String {
    let line = |((long, short), (slots, first)): (&(Reason, Reason), &(u64, SlotTs))| {
        format!(
            "both {long} and {short} were true at {slots} slots, first at {first}: the first one in the file counts\n"
        )
    };
    found.iter().map(line).collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), two_places)
}

fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{}%", two_places(value * 100.0)))
}

/// Two decimals. What is rounded to zero has no sign.
fn two_places(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::time::Timeframe,
        engine::metrics::curve::{Point, Start},
    };

    #[test]
    fn zero_has_no_sign_and_what_has_no_meaning_is_a_dash() {
        for (value, want) in [
            (Some(-0.0), "0.00"),
            (Some(-0.004), "0.00"),
            (Some(-0.006), "-0.01"),
            (Some(0.0), "0.00"),
            (None, "-"),
        ] {
            assert_eq!(number(value), want);
        }
        assert_eq!((percent(Some(-0.000_04)), percent(None)), ("0.00%".into(), "-".into()));
    }

    #[test]
    fn figures_of_a_run_without_trades() {
        let start = Start { ts_ms: 0, equity: 100.0 };
        let point = Point { ts_ms: 300_000, equity: 100.0, in_position: false };
        let text = figures(&Tearsheet::of(start, [point], &[], |_| None));
        assert_eq!(
            text,
            "net 0.00 (0.00%)  CAGR -  Sharpe -  Sortino -  Calmar -\n\
             max drawdown -  longest under water 0.0 days  exposure 0.00%\n\
             trades 0  win rate -  profit factor -  expectancy -  SQN -  fees 0  ambiguous bars 0\n\
             exits: none\n"
        );
    }

    #[test]
    fn holes_are_a_share_of_the_slots() {
        let slot = |n: i64| Timeframe::M5.slot(n * 300_000).unwrap();
        let window = Window::new(slot(1), slot(1400)).unwrap();
        assert_eq!(holes(0, window), "");
        assert!(holes(200, window).starts_with("no bar in 200 of 1400 slots (14.29%):"));
    }
}
