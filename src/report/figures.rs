//! The key figures: name, unit, formula, value, and why there is none where there is none.

use std::collections::BTreeMap;

use crate::engine::metrics::{
    confidence::Confidence,
    curve::{ANNUALISED_DAYS_MIN, CurveStats},
    trades::TradeStats,
};

use super::trade::Trade;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Quote currency.
    Money,
    /// A part of one, shown in percent.
    Part,
    /// A plain number.
    Ratio,
    /// Days of 24 hours.
    Days,
    /// How many.
    Count,
}

/// One key figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Its field in `report.json`.
    pub key: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// How it is worked out.
    pub formula: &'static str,
}

const fn figure(
    key: &'static str,
    name: &'static str,
    unit: Unit,
    formula: &'static str,
) -> Figure {
    Figure { key, name, unit, formula }
}

/// Every key figure, in the order of the page.
pub const FIGURES: &[Figure] = &[
    figure(
        "net",
        "Net",
        Unit::Money,
        "equity at the end - equity at the start, an open position at its last close included",
    ),
    figure("total_return", "Return", Unit::Part, "net / equity at the start"),
    figure(
        "holding_return",
        "Holding",
        Unit::Part,
        "last close / first close - 1: bought at the first close and kept, without fees",
    ),
    figure(
        "cagr",
        "CAGR",
        Unit::Part,
        "(equity at the end / equity at the start) ^ (365 / days) - 1; from 30 days on",
    ),
    figure(
        "volatility",
        "Volatility",
        Unit::Part,
        "sample standard deviation of the daily returns (UTC days) × √365; from 30 days on",
    ),
    figure(
        "sharpe",
        "Sharpe",
        Unit::Ratio,
        "mean / sample standard deviation of the daily returns × √365, no risk-free rate; from 30 days on",
    ),
    figure(
        "sortino",
        "Sortino",
        Unit::Ratio,
        "mean of the daily returns / √(mean of min(return, 0)²) × √365; from 30 days on",
    ),
    figure("calmar", "Calmar", Unit::Ratio, "CAGR / max drawdown"),
    figure(
        "max_drawdown",
        "Max drawdown",
        Unit::Part,
        "the deepest (peak - equity) / peak, marked at every close",
    ),
    figure(
        "underwater_days_max",
        "Longest under water",
        Unit::Days,
        "longest time from a peak until it was reached again, or until the end",
    ),
    figure(
        "psr",
        "PSR",
        Unit::Part,
        "chance that the true Sharpe ratio is above zero: Φ(s √(n - 1) / √v), s = Sharpe of daily returns (not annualised), v = 1 - skewness s + (kurtosis - 1) / 4 s², n days (Bailey and López de Prado 2012); from 30 days on",
    ),
    figure(
        "track_days_min",
        "Min. track record",
        Unit::Days,
        "days until PSR reaches 95 % if all goes on like this: 1 + v (1.645 / s)²; from 30 days on",
    ),
    figure("trades", "Trades", Unit::Count, "closed trades"),
    figure(
        "win_rate",
        "Win rate",
        Unit::Part,
        "trades with a result above zero after fees / trades",
    ),
    figure(
        "profit_factor",
        "Profit factor",
        Unit::Ratio,
        "sum of the winning results / sum of the losing ones",
    ),
    figure("expectancy", "Expectancy", Unit::Money, "mean result of a trade after fees"),
    figure(
        "expectancy_r",
        "Expectancy in R",
        Unit::Ratio,
        "mean of result / (distance from the entry to the first stop × quantity), over trades with such a stop",
    ),
    figure("sqn", "SQN", Unit::Ratio, "√trades × mean / sample standard deviation of the results"),
    figure("exposure", "Exposure", Unit::Part, "slots in a position after the slot / slots"),
    figure(
        "hold_bars_mean",
        "Mean length, in bars",
        Unit::Ratio,
        "mean number of slots from the entry to the exit of a trade",
    ),
    figure(
        "mae_mean",
        "Mean MAE",
        Unit::Part,
        "mean over the trades of the deepest move against the position, part of the entry price: bars wholly between the two fills, and both fills",
    ),
    figure(
        "mfe_mean",
        "Mean MFE",
        Unit::Part,
        "mean over the trades of the furthest move in its favour, likewise",
    ),
    figure(
        "win_streak_max",
        "Wins in a row",
        Unit::Count,
        "most winning trades one after the other",
    ),
    figure(
        "loss_streak_max",
        "Losses in a row",
        Unit::Count,
        "most losing trades one after the other",
    ),
    figure(
        "fees",
        "Fees",
        Unit::Money,
        "fees of all fills, those of a position that is still open included",
    ),
    figure(
        "fees_of_gross",
        "Fees of gross",
        Unit::Part,
        "fees of the closed trades / (their results + their fees), where that is above zero",
    ),
];

/// What the number of trades is called among the values of a job that calls its file `trades`.
pub const CLOSED_TRADES: &str = "closed_trades";

/// The key figures among the values that a job put out.
pub fn among(out: &BTreeMap<String, String>) -> BTreeMap<String, f64> {
    let value = |key: &str| out.get(key)?.parse().ok().filter(|value: &f64| value.is_finite());
    let of = |key: &'static str| match (value(key), key) {
        (None, "trades") => value(CLOSED_TRADES),
        (found, _) => found,
    };
    FIGURES.iter().filter_map(|figure| Some((figure.key.to_owned(), of(figure.key)?))).collect()
}

/// What the figures are worked out from.
pub struct Basis<'a> {
    /// Of the equity curve.
    pub curve: &'a CurveStats,
    /// Of the trades.
    pub stats: &'a TradeStats,
    /// Of the daily returns.
    pub confidence: Option<Confidence>,
    /// Holding, where there was a close.
    pub holding_return: Option<f64>,
    /// Closed trades.
    pub trades: &'a [Trade],
}

/// The figures by key, and why those are missing that have no value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FigureValues {
    /// By [`Figure::key`]; absent ones are `None`.
    pub figures: BTreeMap<&'static str, Option<f64>>,
    /// Why there is no value.
    pub missing: BTreeMap<&'static str, String>,
}

impl FigureValues {
    /// A figure that has a value.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.figures.get(key).copied().flatten()
    }

    /// Works all of them out.
    pub fn of(basis: &Basis<'_>) -> Self {
        let mut values = Self::default();
        for figure in FIGURES {
            let (value, why) = value(figure.key, basis);
            let value = value.filter(|value| value.is_finite());
            values.figures.insert(figure.key, value);
            if value.is_none() {
                values.missing.insert(figure.key, why);
            }
        }
        values
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let many = values.len();
    (many > 0).then(|| values.sum::<f64>() / many as f64)
}

/// Share of fees in what trades came to before them.
fn fees_of_gross(trades: &[Trade]) -> Option<f64> {
    let fees: f64 = trades.iter().map(|trade| trade.fees).sum();
    let gross: f64 = trades.iter().map(|trade| trade.pnl + trade.fees).sum();
    (gross > 0.0).then(|| fees / gross)
}

fn value(key: &str, basis: &Basis<'_>) -> (Option<f64>, String) {
    let Basis { curve, stats, confidence, holding_return, trades } = basis;
    let short = curve.days < ANNUALISED_DAYS_MIN;
    let or_short = |why: &str| {
        if short { format!("needs 30 days, there are {:.1}", curve.days) } else { why.to_owned() }
    };
    let believed = confidence.filter(|_| !short);
    let plain = |value: f64| (Some(value), String::new());
    let told = |value: Option<f64>, why: &str| (value, why.to_owned());
    let no_trade = "no closed trade";
    match key {
        "net" => plain(curve.net),
        "total_return" => plain(curve.total_return),
        "holding_return" => told(*holding_return, "no slot has a close"),
        "cagr" => (curve.cagr, or_short("nothing is left")),
        "volatility" => (curve.volatility, or_short("fewer than two daily returns")),
        "sharpe" => (curve.sharpe, or_short("all daily returns are the same")),
        "sortino" => (curve.sortino, or_short("no losing day")),
        "calmar" => (curve.calmar, or_short("no drawdown, or no CAGR")),
        "max_drawdown" => told(curve.max_drawdown.map(|fall| fall.depth), "the equity never fell"),
        "underwater_days_max" => {
            plain(curve.underwater_ms_max as f64 / crate::domain::time::DAY_MS as f64)
        }
        "psr" => (believed.and_then(|c| c.psr), or_short("all daily returns are the same")),
        "track_days_min" => (
            believed.and_then(|c| c.track_days_min),
            or_short("the Sharpe ratio is not above zero"),
        ),
        "trades" => plain(stats.trades as f64),
        "win_rate" => told(stats.win_rate, no_trade),
        "profit_factor" => {
            told(stats.profit_factor, if stats.trades == 0 { no_trade } else { "no losing trade" })
        }
        "expectancy" => told(stats.expectancy, no_trade),
        "expectancy_r" => told(stats.expectancy_r, "no trade with a stop that could lose"),
        "sqn" => told(stats.sqn, "needs two trades with different results"),
        "exposure" => told(curve.exposure, "no slot"),
        "hold_bars_mean" => told(stats.hold_bars_mean, no_trade),
        "mae_mean" => told(mean(trades.iter().map(|trade| trade.mae)), no_trade),
        "mfe_mean" => told(mean(trades.iter().map(|trade| trade.mfe)), no_trade),
        "win_streak_max" => plain(stats.win_streak_max as f64),
        "loss_streak_max" => plain(stats.loss_streak_max as f64),
        "fees" => plain(stats.fees.float()),
        "fees_of_gross" => told(fees_of_gross(trades), "no gross profit"),
        _ => unreachable!("a figure of the table has an arm: {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::metrics::curve::{Point, Start};

    #[test]
    fn figures_are_found_among_the_values_of_a_job() {
        let out = |pairs: &[(&str, &str)]| {
            among(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        let backtest = out(&[
            ("trades", "data/x.csv"),
            ("closed_trades", "7"),
            ("sharpe", "1.5"),
            ("rows", "3"),
        ]);
        let named: Vec<(&str, f64)> = backtest.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(named, [("sharpe", 1.5), ("trades", 7.0)]);
        assert_eq!(out(&[("trades", "8"), ("net", "NaN"), ("fees", "")]).len(), 1);
    }

    #[test]
    fn every_figure_has_a_value_or_a_reason_and_a_key_of_its_own() {
        let start = Start { ts_ms: 0, equity: 100.0 };
        let curve =
            CurveStats::of(start, [Point { ts_ms: 300_000, equity: 100.0, in_position: false }]);
        let stats = TradeStats::of(&[], |_| None);
        let basis = Basis {
            curve: &curve,
            stats: &stats,
            confidence: None,
            holding_return: None,
            trades: &[],
        };
        let values = FigureValues::of(&basis);
        assert_eq!(values.figures.len(), FIGURES.len());
        for figure in FIGURES {
            let why = values.missing.get(figure.key);
            assert_eq!(values.get(figure.key).is_none(), why.is_some(), "{}", figure.key);
            assert!(why.is_none_or(|why| !why.is_empty()), "{}", figure.key);
        }
        assert_eq!(values.missing["sharpe"], "needs 30 days, there are 0.0");
        assert_eq!(values.get("fees").map(f64::to_bits), Some(0), "no minus zero");
    }
}
