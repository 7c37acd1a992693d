//! The tables of a report.

use maud::{Markup, html};

use super::{
    gather::{Fall, Group, Period, Report},
    number::{DASH, count, fixed, gain, minute, money, percent, percent_gain, price, span},
    pyramid::PyramidPoint,
    trade::Trade,
};

/// Rows of a table that stands for a line.
const SAMPLES: usize = 40;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// An instant that programs can read too.
pub fn time(ts_ms: i64) -> Markup {
    html! { time datetime=(super::number::by(ts_ms, "%Y-%m-%dT%H:%MZ")) { (minute(ts_ms)) } }
}

/// The class of a result. Its sign is written, so that the colour is not needed.
fn sign(value: f64) -> &'static str {
    if value > 0.0 {
        "n plus"
    } else if value < 0.0 {
        "n minus"
    } else {
        "n"
    }
}

/// Lines at some places, evenly picked; each with the value at or before that place.
pub fn sampled(names: &[&str], lines: &[&[PyramidPoint]], shown: fn(f64) -> String) -> Markup {
    let base = lines.first().copied().unwrap_or_default();
    let step = base.len().div_ceil(SAMPLES).max(1);
    let mut places: Vec<i64> = base.iter().step_by(step).map(|at| at.0).collect();
    let end = base.last().map(|at| at.0);
    if places.last() != end.as_ref() {
        places.extend(end);
    }
    let value = |line: &[PyramidPoint], place: i64| {
        let at = line.partition_point(|at| at.0 <= place);
        at.checked_sub(1).map_or_else(|| DASH.to_owned(), |at| shown(line[at].1))
    };
    html! {
        div.wide tabindex="0" role="group" aria-label="table" { table {
            thead { tr { th scope="col" { "UTC" } @for name in names { th.n scope="col" { (name) } } } }
            tbody {
                @for place in places {
                    tr { th scope="row" { (time(place)) } @for line in lines { td.n { (value(line, place)) } } }
                }
            }
        } }
    }
}

/// Results by number of the trade.
pub fn trade_numbers(points: &[PyramidPoint]) -> Markup {
    let step = points.len().div_ceil(SAMPLES).max(1);
    html! {
        table {
            thead { tr { th.n scope="col" { "trade" } th.n scope="col" { "result" } } }
            tbody {
                @for (number, pnl) in points.iter().step_by(step) {
                    tr { th.n scope="row" { (number) } td class=(sign(*pnl)) { (gain(*pnl)) } }
                }
            }
        }
    }
}

/// The deepest drawdowns.
pub fn falls(report: &Report) -> Markup {
    let last = report.period.last_ts_ms;
    let lasts = |fall: &Fall| span(fall.recovered_ts_ms.unwrap_or(last) - fall.peak_ts_ms);
    html! {
        div.wide tabindex="0" role="group" aria-label="table" { table {
            thead { tr {
                th.n scope="col" { "no." } th.n scope="col" { "depth" } th scope="col" { "peak" } th scope="col" { "deepest" }
                th scope="col" { "peak reached again" } th scope="col" { "length" }
            } }
            tbody {
                @for (n, fall) in report.drawdowns.iter().enumerate() {
                    tr {
                        th.n scope="row" { (n + 1) } td.n { (percent(-fall.depth)) } td { (time(fall.peak_ts_ms)) }
                        td { (time(fall.trough_ts_ms)) }
                        td { @match fall.recovered_ts_ms { Some(at) => { (time(at)) }, None => { "not yet" } } }
                        td { (lasts(fall)) }
                    }
                }
            }
        } }
        @if report.drawdowns.is_empty() { p.none { "– the equity never fell below its peak." } }
    }
}

/// Returns by month.
pub fn months(report: &Report) -> Markup {
    let Some(last) = report.months.last() else {
        return html! { p.none { "– no day is over." } };
    };
    let years: Vec<i32> = (report.months[0].year..=last.year).collect();
    let of = |year: i32| report.months.iter().filter(move |month| month.year == year);
    let whole = |year: i32| of(year).map(|month| 1.0 + month.part).product::<f64>() - 1.0;
    html! {
        div.wide tabindex="0" role="group" aria-label="table" { table {
            thead { tr {
                th scope="col" { "year" }
                @for name in MONTHS { th.n scope="col" { (name) } }
                th.n scope="col" { "all" }
            } }
            tbody {
                @for year in years {
                    tr {
                        th scope="row" { (year) }
                        @for month in 1..=12 {
                            @match of(year).find(|found| found.month == month) {
                                Some(found) => td class=(sign(found.part)) { (percent_gain(found.part)) },
                                None => td.n {},
                            }
                        }
                        td class=(sign(whole(year))) { strong { (percent_gain(whole(year))) } }
                    }
                }
            }
        } }
        p.note { "Returns of calendar months, UTC, of the equity marked at midnight; the first and the last one as far as the period goes." }
    }
}

/// Trades that share something, with a bar for what they came to.
pub fn groups(what: &str, groups: &[Group]) -> Markup {
    let most = groups.iter().map(|group| group.pnl.abs()).fold(0.0, f64::max);
    let bar = |pnl: f64| {
        let length = if most > 0.0 { pnl.abs() / most * 50.0 } else { 0.0 };
        let from = if pnl < 0.0 { 50.0 - length } else { 50.0 };
        html! {
            svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                rect class=(if pnl < 0.0 { "loss" } else { "win" }) x=(fixed_plain(from)) y="1" width=(fixed_plain(length)) height="8" {}
                path.zero d="M50 0V10" {}
            }
        }
    };
    html! {
        div.wide tabindex="0" role="group" aria-label="table" { table.groups {
            thead { tr {
                th scope="col" { (what) } th.n scope="col" { "trades" } th.n scope="col" { "won" } th.n scope="col" { "result" }
                th.n scope="col" { "mean" } th.bar scope="col" { "loss | profit" }
            } }
            tbody {
                @for group in groups {
                    tr {
                        th scope="row" { (group.name) } td.n { (count(group.trades)) }
                        @if group.trades > 0 {
                            td.n { (percent(group.wins as f64 / group.trades as f64)) }
                            td class=(sign(group.pnl)) { (gain(group.pnl)) }
                            td class=(sign(group.pnl)) { (gain(group.pnl / group.trades as f64)) }
                            td.bar { (bar(group.pnl)) }
                        } @else {
                            td.n { (DASH) } td.n { (DASH) } td.n { (DASH) } td {}
                        }
                    }
                }
            }
        } }
    }
}

/// A number of an attribute.
fn fixed_plain(value: f64) -> String {
    format!("{value:.2}")
}

/// Excursions of the trades that went furthest against their position.
pub fn excursions(trades: &[Trade]) -> Markup {
    let mut worst: Vec<&Trade> = trades.iter().collect();
    worst.sort_by(|a, b| a.mae.total_cmp(&b.mae));
    worst.truncate(SAMPLES);
    html! {
        p.note { "The " (worst.len()) " trades that went furthest against their position." }
        div.wide tabindex="0" role="group" aria-label="table" { table {
            thead { tr {
                th scope="col" { "entry" } th scope="col" { "side" } th.n scope="col" { "against" } th.n scope="col" { "in favour" }
                th.n scope="col" { "result" }
            } }
            tbody {
                @for trade in worst {
                    tr {
                        th scope="row" { (time(trade.entry_ts_ms)) } td { (trade.side) } td.n { (percent(trade.mae)) }
                        td.n { (percent_gain(trade.mfe)) } td class=(sign(trade.pnl)) { (gain(trade.pnl)) }
                    }
                }
            }
        } }
    }
}

/// Every trade that is shown.
pub fn trades(report: &Report) -> Markup {
    let stop = |level: Option<f64>| level.map_or_else(|| DASH.to_owned(), price);
    html! {
        div.wide tabindex="0" role="group" aria-label="table" { table.trades {
            thead { tr {
                th scope="col" { "entry" } th scope="col" { "exit" } th scope="col" { "side" } th scope="col" { "rule" }
                th scope="col" { "closed by" } th.n scope="col" { "bars" } th.n scope="col" { "quantity" } th.n scope="col" { "entry at" }
                th.n scope="col" { "first stop" } th.n scope="col" { "exit at" } th.n scope="col" { "fees" } th.n scope="col" { "MAE" }
                th.n scope="col" { "MFE" } th.n scope="col" { "result" }
            } }
            tbody {
                @for trade in report.trades.iter().rev() {
                    tr {
                        th scope="row" { (time(trade.entry_ts_ms)) } td { (minute(trade.exit_ts_ms)) } td { (trade.side) }
                        td { bdi { (trade.rule) } } td { (trade.exit) @if trade.is_ambiguous() { " (ambiguous)" } }
                        td.n { (trade.bars) } td.n { (price(trade.qty)) } td.n { (price(trade.entry_px)) } td.n { (stop(trade.stop_first)) }
                        td.n { (price(trade.exit_px)) } td.n { (money(trade.fees)) } td.n { (percent(trade.mae)) }
                        td.n { (percent(trade.mfe)) } td class=(sign(trade.pnl)) { (gain(trade.pnl)) }
                    }
                }
            }
        } }
    }
}

/// What the ledger covers.
pub fn period(period: &Period) -> Markup {
    let share = |many: u64| percent(many as f64 / period.slots.max(1) as f64);
    html! {
        dl.facts {
            dt { "First slot" } dd { (time(period.first_ts_ms)) }
            dt { "Last slot" } dd { (time(period.last_ts_ms)) }
            dt { "Length" } dd { (fixed(period.days, 1)) " days" }
            dt { "Slots" } dd { (count(period.slots)) }
            dt { "With a bar" } dd { (count(period.with_bar)) " (" (share(period.with_bar)) ")" }
            dt { "Decided" } dd { (count(period.decided)) " (" (share(period.decided)) ")" }
        }
        @if period.skipped.is_empty() {
            p.note { "No slot was skipped." }
        } @else {
            table {
                caption { "Skipped slots" }
                thead { tr { th scope="col" { "reason" } th.n scope="col" { "slots" } th.n scope="col" { "of all" } } }
                tbody {
                    @for (reason, times) in &period.skipped {
                        tr { th scope="row" { (reason) } td.n { (count(*times)) } td.n { (share(*times)) } }
                    }
                }
            }
        }
        @if !period.blocked.is_empty() {
            table {
                caption { "Entries that were blocked" }
                thead { tr { th scope="col" { "by" } th.n scope="col" { "entries" } } }
                tbody {
                    @for (by, times) in &period.blocked {
                        tr { th scope="row" { (by) } td.n { (count(*times)) } }
                    }
                }
            }
        }
    }
}

/// Gaps and ambiguous bars.
pub fn doubt(report: &Report) -> Markup {
    let doubt = &report.doubt;
    let part = |value: Option<f64>| value.map_or_else(|| DASH.to_owned(), percent);
    html! {
        dl.facts {
            dt { "Trades closed at a stop" } dd { (count(doubt.stops)) }
            dt { "of these at an open beyond it" } dd { (count(doubt.gaps)) }
            dt { "beyond it, on average" } dd { (part(doubt.beyond_mean)) }
            dt { "beyond it, at most" } dd { (part(doubt.beyond_max)) }
            dt { "Stop and target inside one bar" } dd { (count(doubt.ambiguous)) }
            @if doubt.ambiguous > 0 {
                dt { "their result, the stop first (as booked)" } dd { (gain(doubt.ambiguous_pnl)) }
                dt { "their result, the target first, at most" } dd { (gain(doubt.ambiguous_pnl_most)) }
            }
        }
        @if doubt.ambiguous > 0 {
            p.note { "The target is inside the bar: the far end of the bar is the most that it can have been." }
        }
    }
}
