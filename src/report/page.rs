//! The page: one file without scripts and without anything from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    charts,
    figures::FIGURES,
    gather::{Report, TRADES_SHOWN_MAX},
    header::{Header, ProofState, ReportProof},
    line::shapes,
    number::{count, minute, shown},
    tables,
};

/// How it looks.
const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let about = &report.about;
    let name = about.runid.as_ref().unwrap_or(&about.tag);
    let empty = report.period.slots == 0;
    let body = html! {
        (shapes())
        header {
            p.kind { (about.kind) " · " bdi { (about.exchange) } " · " bdi { (about.symbol) } " · " (about.timeframe) }
            h1 { bdi { (name) } }
            (stamp(&report.proof))
        }
        main {
            (findings(report))
            @if empty {
                section #period { h2 { "Period" } p { "No slot is decided yet." } }
            } @else {
                (sections(report))
            }
            (made_with(report))
            (formulas())
        }
        footer {
            p { "Made " (minute(about.made_at_ms)) " UTC by build " (about.build) ". Times are UTC; a slot is named by the close of its bar." }
        }
    };
    let title = format!("{} {} {name}, report", about.symbol, about.timeframe);
    whole(&title, &body)
}

/// A file without scripts and without anything from elsewhere.
pub fn whole(title: &str, body: &Markup) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    whole.into_string()
}

fn stamp(proof: &ProofState) -> Markup {
    html! {
        section #proof.stamp aria-label="proof" {
            @match proof {
                ProofState::None { why, command } => {
                    p.verdict { "not proved" }
                    p { (why) ": " code { (command) } }
                },
                ProofState::Found(found) => { (proved(found)) },
            }
        }
    }
}

fn proved(found: &ReportProof) -> Markup {
    html! {
        p.verdict.pass[found.is_pass && found.is_same] {
            (found.verdict)
            @if !found.is_same { ", but the ledger was changed since" }
        }
        p {
            "LIVE " bdi { (found.tag) } " against its replay " bdi { (found.runid) } ": " (count(found.rows as u64)) " decisions and "
            (count(found.trades as u64)) " trade events"
            @if let Some((from, to)) = found.window_ts_ms {
                " from " (tables::time(from)) " to " (tables::time(to))
            }
            ", compared " (minute(found.made_at_ms)) " by build " (found.build) ". "
            @if found.rows_after > 0 { (count(found.rows_after)) " rows since are not proved. " }
            @if let Some(place) = &found.mismatch { (place) ". " }
            "To check it again: " code { "runner verify " (found.path) }
        }
    }
}

fn findings(report: &Report) -> Markup {
    html! {
        section #findings {
            h2 { "Findings" }
            @if report.findings.is_empty() {
                p.none { "Nothing unusual." }
            } @else {
                ul.findings {
                    @for finding in &report.findings {
                        li { a href=(format!("#{}", finding.at)) { (finding.text) } }
                    }
                }
            }
        }
    }
}

fn sections(report: &Report) -> Markup {
    let trades = report.figures.get("trades").copied().flatten().unwrap_or(0.0) as u64;
    html! {
        section #period { h2 { "Period" } (tables::period(&report.period)) }
        section #figures { h2 { "Key figures" } (figures(report)) }
        section #equity { h2 { "Equity against holding" } (charts::equity(report)) (tables::falls(report)) }
        section #under-water { h2 { "Under water" } (charts::under_water(report)) }
        section #price { h2 { "Price with entries, exits and stops" } (charts::prices(report)) }
        section #months { h2 { "Months" } (tables::months(report)) }
        section #trades {
            h2 { "Trades" }
            @if trades == 0 {
                p.none { "– no trade is closed." }
            } @else {
                (charts::trade_results(report))
                div.pair {
                    div { h3 { "By rule" } (tables::groups("entry rule", &report.by_rule)) }
                    div { h3 { "By exit" } (tables::groups("closed by", &report.by_exit)) }
                    div { h3 { "By hour of the entry" } (tables::groups("hour, UTC", &report.by_hour)) }
                    div { h3 { "By weekday of the entry" } (tables::groups("day, UTC", &report.by_weekday)) }
                }
            }
        }
        section #excursions {
            h2 { "How far trades went (MAE, MFE)" }
            @if trades == 0 {
                p.none { "– no trade is closed." }
            } @else {
                (charts::excursions(report))
                @if report.period.bars_lacking > 0 {
                    p.note { "The bars of " (count(report.period.bars_lacking)) " slots in a position are not stored any more: their closes stand in for high and low." }
                }
            }
        }
        section #rolling { h2 { "Sharpe ratio of the last 60 days" } (charts::rolling(report)) }
        section #doubt { h2 { "Gap stops and ambiguous bars" } (tables::doubt(report)) }
        section #list {
            h2 { "Every trade" }
            @if trades == 0 {
                p.none { "– no trade is closed." }
            } @else {
                @if trades > report.trades.len() as u64 {
                    p.note { "The newest " (TRADES_SHOWN_MAX) " of " (count(trades)) "; all are in " code { (report.about.trades) } "." }
                }
                (tables::trades(report))
            }
        }
    }
}

fn figures(report: &Report) -> Markup {
    html! {
        dl.figures {
            @for figure in FIGURES {
                div {
                    dt { a href=(format!("#f-{}", figure.key)) { (figure.name) } }
                    @match report.figures.get(figure.key).copied().flatten() {
                        Some(value) => dd { (shown(value, figure.unit)) },
                        None => dd {
                            "– "
                            small { (report.missing.get(figure.key).map_or("", String::as_str)) }
                        },
                    }
                }
            }
        }
    }
}

fn made_with(report: &Report) -> Markup {
    let Header { settings, decisions, trades, data_sha256, .. } = &report.about;
    let about = &report.about;
    html! {
        section #settings {
            h2 { "Settings and data" }
            @if about.is_torn { p.note { "Bytes behind the last whole row were left out." } }
            dl.facts {
                dt { "Decisions" } dd { code { (decisions) } }
                dt { "Trades" } dd { code { (trades) } }
                dt { "Data, sha256 of the bars' hashes" } dd { code { (data_sha256) } }
                dt { "Build that began the ledger" } dd { code { (about.ledger_build.as_deref().unwrap_or("– not recorded")) } }
                dt { "Hash of the settings" } dd { code { (about.strategy_hash.as_deref().unwrap_or("– not recorded")) } }
                dt { "Stops fill" } dd { code { (about.stop_fill.as_deref().unwrap_or("– not recorded")) } }
            }
            @if !settings.is_empty() {
                div.wide tabindex="0" role="group" aria-label="table" { table.settings {
                    caption { "Every setting that trades depend on" }
                    thead { tr { th scope="col" { "key" } th scope="col" { "value" } } }
                    tbody {
                        @for (key, value) in settings {
                            tr { th scope="row" { code { (key) } } td { code { bdi { (value) } } } }
                        }
                    }
                } }
            }
        }
    }
}

fn formulas() -> Markup {
    html! {
        section #formulas {
            h2 { "How each figure is worked out" }
            dl.formulas {
                @for figure in FIGURES {
                    dt id=(format!("f-{}", figure.key)) { (figure.name) }
                    dd { (figure.formula) "." }
                }
            }
        }
    }
}
