//! The tearsheet as a few lines of text. A figure that has no meaning is a dash, never a made-up number.

use std::fmt::Write as _;

use crate::{domain::time::DAY_MS, engine::metrics::tearsheet::Tearsheet};

/// The figures, one line per theme.
pub fn figures(sheet: &Tearsheet) -> String {
    let (curve, trades) = (&sheet.curve, &sheet.trades);
    let drawdown = curve.max_drawdown.map(|fall| -fall.depth.abs());
    let mut text = String::new();
    let _ = writeln!(
        text,
        "net {:.2} ({})  CAGR {}  Sharpe {}  Sortino {}  Calmar {}",
        curve.net,
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

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.2}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{:.2}%", value * 100.0))
}
