//! `/loops/TAG/SYMBOL/TIMEFRAME`: what a loop is doing.

use maud::{Markup, html};

use super::{
    act, bars,
    desk::{Desk, DeskLedger},
    lines::{LoopLine, line_of},
    proofs::{self, ProofSummary},
    rows::{self, DecisionMark, FillMark},
    words::{ago, safe, time, verdict},
};
use crate::{
    domain::time::{DAY_MS, UtcMs},
    jobs::{
        commands::{CommandState, Listed, listed},
        context::Failure,
    },
    report::number::{DASH, gain, money, price},
};

/// Decisions that are listed.
const LISTED: u64 = 100;
/// Bars that the chart shows at first.
const BARS_FIRST: i64 = 288;
/// Fills that are listed.
const FILLS_MAX: usize = 40;
/// Lengths of time that the chart can be set to.
const RANGES: [(&str, i64); 5] =
    [("6h", DAY_MS / 4), ("1d", DAY_MS), ("1w", 7 * DAY_MS), ("30d", 30 * DAY_MS), ("all", 0)];

/// The page.
pub fn body(desk: &Desk, place: &DeskLedger) -> Result<Markup, Failure> {
    let line = line_of(desk, place)?;
    let newest = rows::newest(desk, place, None, LISTED)?;
    let reach = bars::reach(desk, place)?;
    let proofs = proofs::of_place(desk, place)?;
    let fills = rows::newest_fills(desk, place, FILLS_MAX)?;
    let commands = listed(&desk.disk, &desk.layout, &place.tag).unwrap_or_default();
    let now = desk.now();
    let reported = desk.layout.reports_dir().join("live").join(place.tag.as_str());
    Ok(html! {
        p.kind { (line.exchange) " · " (line.symbol) " · " (line.timeframe) }
        h1 { bdi { (line.tag) } }
        div data-refresh="10" { (head(&line, proofs.first(), now)) }
        @if !place.tag.as_str().contains("_bt_") { (act::links(desk, &["halt", "reduce", "resume", "flatten"], place.tag.as_str())) }
        @if let Some(reach) = reach {
            (chart(place, reach, proofs.first()))
        } @else {
            p.none { "No slot is decided yet." }
        }
        (planned(&commands))
        section #decisions {
            h2 { "Newest decisions" }
            (decisions(place, &newest))
        }
        section #fills {
            h2 { "Newest fills" }
            (filled(&fills))
        }
        section #more {
            h2 { "More about it" }
            p {
                "As a report: " code { (format!("runner run jobs/report.toml -p tag={}", place.tag)) } ". "
                @if reported.is_dir() { a href=(format!("/reports/live/{}", place.tag)) { "The report that was made last" } ". " }
                a href="/proofs" { "All proofs" } ". "
                "As documents: " a href=(format!("{}/decisions", place.api())) { "decisions" } ", " a href=(format!("{}/bars", place.api())) { "bars" } ", "
                a href=(format!("{}/over", place.api())) { "what is drawn over them" } "."
            }
        }
    })
}

fn head(line: &LoopLine, proof: Option<&ProofSummary>, now: UtcMs) -> Markup {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| DASH.to_owned());
    html! {
        section #how data-live aria-label="how it is" {
            p.headline { (verdict(line.level, &line.verdict)) }
            dl.tiles {
                div { dt { "Position" } dd { (word(&line.position)) } }
                div { dt { "Equity" } dd { (line.equity.map_or(DASH.to_owned(), money)) } }
                div { dt { "Risk state" } dd { (word(&line.risk_state)) } }
                div { dt { "Last decision" } dd { @match line.last_ts_ms { Some(at) => { (ago(at, now)) }, None => { (DASH) } } } }
                div { dt { "Newest proof" } dd { @match proof { Some(one) => { (verdict(one.level, one.verdict)) " " small { (ago(one.made_at_ms, now)) } }, None => { "none" } } } }
                div { dt { "Process" } dd { @if line.is_up { "running" } @else { "not running" } } }
            }
        }
    }
}

fn chart(place: &DeskLedger, (first, last): (i64, i64), proof: Option<&ProofSummary>) -> Markup {
    let bar_ms = place.series.timeframe().ms();
    let from = (last - BARS_FIRST * bar_ms).max(first - bar_ms);
    html! {
        section #chart {
            h2 { "Price" }
            div.chart
                data-api=(place.api()) data-page=(place.path()) data-first=(first - bar_ms) data-last=(last) data-from=(from) data-to=(last)
                data-bar=(bar_ms) data-replay=[proof.map(|one| one.runid.as_str())] data-quote=(place.series.symbol().quote())
            {
                div.tools role="group" aria-label="part of time" {
                    @for (name, ms) in RANGES { button type="button" data-range=(ms) { (name) } }
                    button type="button" data-move="-1" aria-label="earlier" { "◀" }
                    button type="button" data-move="1" aria-label="later" { "▶" }
                    button type="button" data-zoom="0.5" aria-label="closer" { "+" }
                    button type="button" data-zoom="2" aria-label="further away" { "−" }
                }
                p.readout aria-live="polite" { "" }
                canvas.price tabindex="0" role="img" aria-label="price with entries, exits, stops and skipped slots" aria-describedby="chart-says chart-keys" {}
                p.sub { "Equity" }
                canvas.equity role="img" aria-label="equity, with that of the replay" aria-describedby="chart-says" {}
                p #chart-says .note role="status" { "The chart needs scripts; the tables below do not." }
                ul.legend hidden {}
                p #chart-keys .note { "Keys in the chart: left and right a bar, PgUp and PgDn a day, plus and minus closer and further, T the next trade, Enter why. The wheel zooms, dragging moves, a click on a bar says why." }
                details {
                    summary { "The numbers as a table" }
                    div.wide tabindex="0" role="group" aria-label="bars of the chart" { table.numbers {} }
                }
            }
            noscript { p.note { "Scripts are off: no chart is drawn." } }
        }
        dialog #why aria-label="why" {
            form method="dialog" { button { "Close" } }
            div.answer {}
        }
    }
}

/// The decisions, the newest first. The script puts new ones on top.
fn decisions(place: &DeskLedger, newest: &[DecisionMark]) -> Markup {
    let after = newest.last().map_or(0, |row| row.ts_ms);
    let why = format!("{}/why", place.path());
    html! {
        @if newest.is_empty() { p.none { "No slot is decided yet." } }
        div.wide.tall tabindex="0" role="group" aria-label="newest decisions" {
            table.decisions data-stream=(format!("{}/decisions/live?after={after}", place.api())) data-why=(why) data-most=(LISTED) {
                thead { tr {
                    th scope="col" { "slot, UTC" } th scope="col" { "decision" } th scope="col" { "reason" } th scope="col" { "blocked by" } th scope="col" { "position" }
                    th.n scope="col" { "close" } th.n scope="col" { "stop" } th.n scope="col" { "equity" } th scope="col" { "risk" } th.n scope="col" { "decided after" }
                } }
                tbody {
                    @for row in newest.iter().rev() {
                        tr.skip[row.action == "skip"] data-ts=(row.ts_ms) {
                            th scope="row" { a href=(format!("{why}?at={}", row.ts_ms)) { (time(row.ts_ms)) } }
                            td { (safe(&row.action)) } td { (safe(&row.reason)) } td { (safe(&row.blocked_by)) } td { (safe(&row.position)) }
                            td.n { (row.close.map_or(DASH.to_owned(), price)) } td.n { (row.stop_px.map_or(DASH.to_owned(), price)) }
                            td.n { (money(row.equity)) } td { (safe(&row.risk_state)) }
                            td.n { @match row.late_ms { Some(ms) => { (late(ms)) }, None => { (DASH) } } }
                        }
                    }
                }
            }
        }
        p.note { span.live-state role="status" { "This page was made once; with scripts, new decisions appear on top." } " A time leads to the reasons of that slot." }
    }
}

fn late(ms: i64) -> String {
    if ms.abs() < 100_000 {
        format!("{:.1}\u{202f}s", ms as f64 / 1_000.0)
    } else {
        crate::cli::table::span(ms.unsigned_abs())
    }
}

fn filled(fills: &[FillMark]) -> Markup {
    html! {
        @if fills.is_empty() { p.none { "None." } } @else {
            div.wide tabindex="0" role="group" aria-label="fills" { table {
                thead { tr {
                    th scope="col" { "slot, UTC" } th scope="col" { "event" } th scope="col" { "side" } th.n scope="col" { "price" } th.n scope="col" { "quantity" }
                    th.n scope="col" { "result" } th scope="col" { "reason" }
                } }
                tbody {
                    @for fill in fills.iter().rev() {
                        tr {
                            th scope="row" { (time(fill.ts_ms)) } td { (safe(&fill.event)) } td { (safe(&fill.side)) }
                            td.n { (price(fill.px)) } td.n { (price(fill.qty)) }
                            td.n.minus[fill.pnl.is_some_and(|pnl| pnl < 0.0)].plus[fill.pnl.is_some_and(|pnl| pnl > 0.0)] { (fill.pnl.map_or(DASH.to_owned(), gain)) }
                            td { (safe(&fill.reason)) }
                        }
                    }
                }
            } }
        }
    }
}

fn planned(commands: &[Listed]) -> Markup {
    let planned: Vec<&Listed> =
        commands.iter().filter(|one| one.standing == CommandState::Planned).collect();
    html! {
        @if !commands.is_empty() {
            section #commands {
                h2 { "Commands" }
                @if !planned.is_empty() {
                    p { "Planned:" }
                    ul.rows { @for one in &planned { li { (command(one)) } } }
                }
                details {
                    summary { "All " (commands.len()) " lines of the ledger" }
                    ul.rows { @for one in commands.iter().rev().take(200) { li { (command(one)) " " small { (one.standing.name()) } } } }
                }
            }
        }
    }
}

fn command(Listed { line, command, .. }: &Listed) -> Markup {
    html! {
        (time(command.at.get())) " " strong { (command.order.to_string()) } " by " bdi { (safe(&command.who)) } ": " bdi { (safe(&command.reason)) }
        " " small { "line " (line) }
    }
}
