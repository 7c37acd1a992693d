//! The pictures of a report.

use maud::{Markup, html};

use super::{
    axis::{Range, Tick, percents, plain, times},
    gather::{ROLLING_DAYS, Report},
    line::{Key, Picture, Sign, Space, pixels},
    number::{fixed, gain, minute, money, percent, percent_gain, price, span},
    pyramid::PyramidPoint,
    tables::{sampled, trade_numbers},
    trade::Trade,
};

/// Pixels of a large picture.
const LARGE: u32 = 280;
/// Pixels of a small one.
const SMALL: u32 = 170;

fn times_of(report: &Report) -> Range {
    let equity = &report.curves.equity;
    match (equity.first(), equity.last()) {
        (Some(first), Some(last)) if last.0 > first.0 => {
            Range { low: first.0 as f64, high: last.0 as f64 }
        }
        _ => Range::of(equity.iter().map(|at| at.0 as f64)),
    }
}

fn values(points: &[PyramidPoint]) -> impl Iterator<Item = f64> {
    points.iter().map(|at| at.1)
}

fn key(class: &'static str, sign: Sign, words: impl Into<String>) -> Key {
    (class, sign, words.into())
}

fn last(points: &[PyramidPoint]) -> f64 {
    points.last().map_or(0.0, |at| at.1)
}

/// Equity against holding, and the same on a log scale where all of it is above zero.
pub fn equity(report: &Report) -> Markup {
    let curves = &report.curves;
    let both = || values(&curves.equity).chain(values(&curves.holding));
    let linear = equity_on(report, Range::of(both()), None);
    let lowest = both().fold(f64::INFINITY, f64::min);
    if lowest <= 0.0 || curves.equity.len() < 2 {
        return linear.shown();
    }
    let log = |points: &[PyramidPoint]| -> Vec<PyramidPoint> {
        points.iter().map(|(ts_ms, value)| (*ts_ms, libm::log10(*value))).collect()
    };
    let (own, held) = (log(&curves.equity), log(&curves.holding));
    let range = Range::of(values(&own).chain(values(&held)));
    let logged = equity_on(report, range, Some((&own, &held)));
    html! {
        div.switch {
            input type="radio" name="scale" id="scale-linear" checked;
            label for="scale-linear" { "linear" }
            input type="radio" name="scale" id="scale-log";
            label for="scale-log" { "logarithmic" }
            div.linear { (linear.shown()) }
            div.log { (logged.shown()) }
        }
    }
}

fn equity_on(
    report: &Report,
    y: Range,
    logged: Option<(&[PyramidPoint], &[PyramidPoint])>,
) -> Picture {
    let (curves, x) = (&report.curves, times_of(report));
    let (own, held) = logged.unwrap_or((&curves.equity, &curves.holding));
    let space = Space { x, y, height: LARGE };
    let figure = |key: &str| report.figures.get(key).copied().flatten();
    let start = report.period.start_equity;
    let says = format!(
        "Equity went from {} to {} {} ({}){}.{}",
        money(start),
        money(report.period.end_equity),
        report.about.quote,
        figure("total_return").map_or_else(String::new, percent_gain),
        figure("holding_return").map_or_else(String::new, |held| format!(
            "; holding from the first close on would have made {}",
            percent_gain(held)
        )),
        match report.drawdowns.len() {
            0 => String::new(),
            1 => " The drawdown is shaded.".to_owned(),
            many => format!(" The {many} deepest drawdowns are shaded, 1 is the deepest."),
        }
    );
    let mut keys = vec![key("own", Sign::Line, "this run"), key("held", Sign::Dashes, "holding")];
    if !report.drawdowns.is_empty() {
        keys.push(key("shade", Sign::Area, "drawdown"));
    }
    let (id, title) = match logged {
        None => ("equity-linear", "Equity against holding"),
        Some(_) => ("equity-log", "Equity against holding, logarithmic"),
    };
    Picture {
        id,
        title,
        says,
        x_ticks: times(x, 7),
        x_name: None,
        y_ticks: if logged.is_some() { log_ticks(y) } else { plain(y, 6) },
        y_name: format!("equity, {}", report.about.quote),
        inside: html! {
            (shades(report, &space))
            path.line.held.dashes d=(space.path(held)) {}
            path.line.own d=(space.path(own)) {}
        },
        over: numbers(report, &space),
        keys,
        table: sampled(&["this run", "holding"], &[&curves.equity, &curves.holding], money),
        space,
    }
}

/// Round values of a logarithmic axis.
fn log_ticks(range: Range) -> Vec<Tick> {
    let (low, high) = (libm::pow(10.0, range.low), libm::pow(10.0, range.high));
    let logged = |(value, text): Tick| (libm::log10(value), text);
    if high / low < 20.0 {
        let values = Range { low, high };
        return plain(values, 6).into_iter().filter(|tick| tick.0 > 0.0).map(logged).collect();
    }
    let decades = libm::floor(range.low) as i32..=libm::ceil(range.high) as i32;
    decades
        .map(|power| libm::pow(10.0, f64::from(power)))
        .filter(|value| (low..=high).contains(value))
        .map(|value| logged((value, super::number::significant(value, 6))))
        .collect()
}

/// The deepest drawdowns as areas from top to bottom.
fn shades(report: &Report, space: &Space) -> Markup {
    html! {
        @for fall in &report.drawdowns {
            @let from = space.across(fall.peak_ts_ms as f64);
            @let to = space.across(fall.recovered_ts_ms.unwrap_or(report.period.last_ts_ms) as f64);
            rect.shade x=(format!("{from:.0}")) y="0" width=(format!("{:.0}", (to - from).max(8.0))) height=(space.height) {}
        }
    }
}

/// Their numbers.
fn numbers(report: &Report, space: &Space) -> Markup {
    html! {
        @for (n, fall) in report.drawdowns.iter().enumerate() {
            @let end = fall.recovered_ts_ms.unwrap_or(report.period.last_ts_ms);
            text.number x=(space.percent(i64::midpoint(fall.peak_ts_ms, end) as f64)) y="12" { (n + 1) }
        }
    }
}

/// How far the equity is below its peak.
pub fn under_water(report: &Report) -> Markup {
    let (points, x) = (&report.curves.under_water, times_of(report));
    let lowest = values(points).fold(0.0, f64::min);
    let y = Range { low: if lowest < 0.0 { lowest * 1.05 } else { -0.01 }, high: 0.0 };
    let space = Space { x, y, height: SMALL };
    let deepest = report.drawdowns.first();
    let says = deepest.map_or_else(
        || "The equity never fell below its peak.".to_owned(),
        |fall| {
            let end = match fall.recovered_ts_ms {
                Some(at) => format!("its peak was reached again on {}", minute(at)),
                None => "its peak was not reached again".to_owned(),
            };
            format!(
                "The deepest fall is {}, from {} to {}; {end}.",
                percent(fall.depth),
                minute(fall.peak_ts_ms),
                minute(fall.trough_ts_ms)
            )
        },
    );
    let picture = Picture {
        id: "under-water-p",
        title: "Under water",
        says,
        x_ticks: times(x, 7),
        x_name: None,
        y_ticks: percents(y, 4),
        y_name: "equity below its peak".to_owned(),
        inside: html! {
            path.water d=(space.area(points, 0.0)) {}
            path.line.loss d=(space.path(points)) {}
        },
        over: html! {},
        keys: Vec::new(),
        table: sampled(&["below the peak"], &[points], percent),
        space,
    };
    picture.shown()
}

/// The price with entries, exits and stops.
pub fn prices(report: &Report) -> Markup {
    let (points, x) = (&report.curves.price, times_of(report));
    let shown = &report.marked;
    let stops = || shown.iter().filter_map(|t| Some((t, t.stop_first?, t.stop_last?)));
    // A stop far away would flatten the price.
    let prices = Range::of(values(points));
    let y = Range::of(
        values(points).chain(shown.iter().flat_map(|trade| [trade.entry_px, trade.exit_px])),
    );
    let space = Space { x, y: if points.is_empty() { prices } else { y }, height: LARGE };
    let stop_paths: String = stops()
        .map(|(trade, first, last)| {
            space.path(&[(trade.entry_ts_ms, first), (trade.exit_ts_ms, last)])
        })
        .collect();
    let marks = |trade: &Trade| {
        let entry = if trade.side == "long" { ("up", "own") } else { ("down", "held") };
        html! {
            use.(entry.1) href=(format!("#{}", entry.0)) x=(space.percent(trade.entry_ts_ms as f64)) y=(pixels(space.down(trade.entry_px))) {}
            use.exit href="#cross" x=(space.percent(trade.exit_ts_ms as f64)) y=(pixels(space.down(trade.exit_px))) {}
        }
    };
    let says = if shown.is_empty() {
        format!(
            "The price, without a closed trade{}.",
            if points.is_empty() { " or a close" } else { "" }
        )
    } else if shown.len() < report_trades(report) {
        format!(
            "The price with the {} trades that won or lost most; a stop goes from its first to its last level.",
            shown.len()
        )
    } else {
        "The price with every entry and exit; a stop goes from its first to its last level."
            .to_owned()
    };
    let picture = Picture {
        id: "price-p",
        title: "Price with entries, exits and stops",
        says,
        x_ticks: times(x, 7),
        x_name: None,
        y_ticks: plain(space.y, 6),
        y_name: format!("price, {}", report.about.quote),
        inside: html! {
            path.line.price d=(space.path(points)) {}
            path.line.stop d=(stop_paths) {}
        },
        over: html! { @for trade in shown { (marks(trade)) } },
        keys: vec![
            key("price", Sign::Line, "close"),
            key("own", Sign::Shape("up"), "long entry"),
            key("held", Sign::Shape("down"), "short entry"),
            key("exit", Sign::Shape("cross"), "exit"),
            key("stop", Sign::Dashes, "stop"),
        ],
        table: sampled(&["close"], &[points], price),
        space,
    };
    picture.shown()
}

fn report_trades(report: &Report) -> usize {
    report.figures.get("trades").copied().flatten().unwrap_or(0.0) as usize
}

/// The result of each trade.
pub fn trade_results(report: &Report) -> Markup {
    let points = &report.curves.trade_pnl;
    let many = points.last().map_or(1, |at| at.0) as f64;
    let x = Range { low: 0.5, high: many + 0.5 };
    let y = Range::of(values(points).chain([0.0]));
    let space = Space { x, y, height: SMALL };
    let side = |want: fn(f64) -> bool| {
        let those = points.iter().filter(move |at| want(at.1));
        those.map(|at| (at.0 as f64, at.1)).collect::<Vec<_>>()
    };
    let (won, lost) = (side(|pnl| pnl > 0.0), side(|pnl| pnl < 0.0));
    let best = values(points).reduce(f64::max).unwrap_or_default();
    let worst = values(points).reduce(f64::min).unwrap_or_default();
    let dense = if many > 400.0 {
        "thin"
    } else if many > 100.0 {
        "medium"
    } else {
        "thick"
    };
    let picture = Picture {
        id: "trade-pnl",
        title: "Result of each trade",
        says: format!("The best trade made {}, the worst {}.", gain(best), gain(worst)),
        x_ticks: plain(x, 6)
            .into_iter()
            .filter(|tick| tick.0 >= 1.0 && tick.0.fract() == 0.0)
            .collect(),
        x_name: Some("trade, oldest first"),
        y_ticks: plain(y, 5),
        y_name: format!("result after fees, {}", report.about.quote),
        inside: html! {
            path.bars.win.(dense) d=(space.bars(won, 0.0)) {}
            path.bars.loss.(dense) d=(space.bars(lost, 0.0)) {}
            path.zero d=(format!("M0 {0:.1}H10000", space.down(0.0))) {}
        },
        over: html! {},
        keys: vec![
            key("win", Sign::Area, "won: above the line"),
            key("loss", Sign::Area, "lost: below it"),
        ],
        table: trade_numbers(points),
        space,
    };
    picture.shown()
}

/// How far each trade went for and against its position.
pub fn excursions(report: &Report) -> Markup {
    let dots = &report.curves.excursions;
    let x = Range::of(dots.iter().map(|dot| -dot.0).chain([0.0]));
    let y = Range::of(dots.iter().map(|dot| dot.1).chain([0.0]));
    let space = Space { x, y, height: LARGE };
    let side = |has_won: bool| {
        let those = dots.iter().filter(|dot| (dot.2 > 0.0) == has_won);
        space.dots(those.map(|dot| (-dot.0, dot.1)))
    };
    let mean = |key: &str| report.figures.get(key).copied().flatten().map_or(0.0, f64::abs);
    let picture = Picture {
        id: "excursion-p",
        title: "Excursions of the trades",
        says: format!(
            "On average a trade went {} against its position and {} in its favour, between its two fills.",
            percent(mean("mae_mean")),
            percent(mean("mfe_mean"))
        ),
        x_ticks: percents(x, 6),
        x_name: Some("furthest against the position (MAE)"),
        y_ticks: percents(y, 6),
        y_name: "furthest in its favour (MFE), part of the entry price".to_owned(),
        inside: html! {
            path.dots.win d=(side(true)) {}
            path.dots.loss d=(side(false)) {}
        },
        over: html! {},
        keys: vec![
            key("win", Sign::Shape("dot"), "won"),
            key("loss", Sign::Shape("box"), "did not win"),
        ],
        table: super::tables::excursions(&report.deepest),
        space,
    };
    picture.shown()
}

/// The Sharpe ratio of the last days.
pub fn rolling(report: &Report) -> Markup {
    let (points, x) = (&report.curves.rolling_sharpe, times_of(report));
    if points.len() < 2 {
        return html! { p.none { "– needs more than " (ROLLING_DAYS) " days with different returns." } };
    }
    let y = Range::of(values(points).chain([0.0]));
    let space = Space { x, y, height: SMALL };
    let above = points.iter().filter(|at| at.1 > 0.0).count() as f64 / points.len() as f64;
    let length = points.last().map_or(0, |at| at.0) - points.first().map_or(0, |at| at.0);
    let picture = Picture {
        id: "rolling-p",
        title: "Sharpe ratio of the last 60 days",
        says: format!(
            "Over {} it was above zero at {} of the points; at the end it is {}.",
            span(length),
            percent(above),
            fixed(last(points), 2)
        ),
        x_ticks: times(x, 7),
        x_name: None,
        y_ticks: plain(y, 5),
        y_name: "Sharpe ratio, annualised".to_owned(),
        inside: html! {
            path.zero d=(format!("M0 {0:.1}H10000", space.down(0.0))) {}
            path.line.own d=(space.path(points)) {}
        },
        over: html! {},
        keys: Vec::new(),
        table: sampled(&["Sharpe ratio"], &[points], |value| fixed(value, 2)),
        space,
    };
    picture.shown()
}
