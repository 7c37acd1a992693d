//! Two ledgers side by side: settings that differ, figures with their difference, rows that differ, both equities in one picture.

use std::{collections::BTreeMap, fmt::Write as _};

use maud::{Markup, html};
use serde::Serialize;

use super::{
    axis::{Range, percents, times},
    figures::{FIGURES, Figure},
    gather::Report,
    line::{Picture, Sign, Space, shapes},
    number::{DASH, count, minute, percent_gain, shown},
    page::whole,
    pyramid::PyramidPoint,
    tables::sampled,
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.compare/1";
/// Pixels of the picture.
const HIGH: u32 = 280;

/// A ledger of the two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedLedger {
    /// Its tag.
    pub tag: String,
    /// `live` or `backtest`.
    pub kind: &'static str,
    /// Venue, pair, timeframe.
    pub series: [String; 3],
    /// First slot.
    pub first_ts_ms: i64,
    /// Last slot.
    pub last_ts_ms: i64,
    /// Rows.
    pub slots: u64,
    /// The build that began it.
    pub build: Option<String>,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingDifference {
    /// Its manifest key.
    pub key: String,
    /// Its value on the one side; absent where it has none.
    pub a: Option<String>,
    /// On the other side.
    pub b: Option<String>,
}

/// A figure of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureDifference {
    /// Its field in `report.json`.
    pub key: &'static str,
    /// Its value on the one side.
    pub a: Option<f64>,
    /// On the other side.
    pub b: Option<f64>,
    /// `b` minus `a`.
    pub difference: Option<f64>,
}

/// What the comparison of the rows found, or why there was none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowsDifference {
    /// Rows that were compared.
    pub rows: u64,
    /// Of these, differing ones.
    pub differing: u64,
    /// The slot from which on they were compared.
    pub sync_ts_ms: Option<i64>,
    /// The first difference: its slot, layer and column, and both values.
    pub first: Option<FirstDifference>,
    /// Why none were compared.
    pub why_not: Option<String>,
}

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstDifference {
    /// Its slot.
    pub ts_ms: i64,
    /// Bar, features, decision, risk, trades, pnl.
    pub layer: &'static str,
    /// The column.
    pub column: &'static str,
    /// Its value on the one side.
    pub a: String,
    /// On the other side.
    pub b: String,
}

/// A value of a row; an empty one is said.
fn or_none(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

impl RowsDifference {
    /// In one sentence.
    pub fn sentence(&self) -> String {
        if let Some(why) = &self.why_not {
            return format!("the rows were not compared: {why}");
        }
        let all = count(self.rows);
        match &self.first {
            None => format!("all {all} slots are the same"),
            Some(first) => format!(
                "{} of {all} slots differ, first {}Z: {} {} ({} against {})",
                count(self.differing),
                minute(first.ts_ms).replace(' ', "T"),
                first.layer,
                first.column,
                or_none(&first.a),
                or_none(&first.b)
            ),
        }
    }
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideBySide {
    /// Name and version of the document.
    pub schema: &'static str,
    /// The one.
    pub a: ComparedLedger,
    /// The other.
    pub b: ComparedLedger,
    /// Settings that differ.
    pub settings: Vec<SettingDifference>,
    /// Every figure.
    pub figures: Vec<FigureDifference>,
    /// Rows that differ.
    pub decisions: RowsDifference,
    /// Both equities, as gains since their first row.
    pub gains: [Vec<PyramidPoint>; 2],
}

impl SideBySide {
    /// Of the reports about both, and what the comparison of their rows found.
    pub fn new([a, b]: [&Report; 2], decisions: RowsDifference) -> Self {
        let of = |key: &'static str| {
            let [a, b] = [a, b].map(|report| report.figures.get(key).copied().flatten());
            let difference = a.zip(b).map(|(a, b)| b - a);
            FigureDifference { key, a, b, difference }
        };
        Self {
            schema: SCHEMA,
            a: ledger(a),
            b: ledger(b),
            settings: settings(&all_settings(a), &all_settings(b)),
            figures: FIGURES.iter().map(|figure| of(figure.key)).collect(),
            decisions,
            gains: [gains(a), gains(b)],
        }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = format!("A  {}\nB  {}\n", self.a.words(), self.b.words());
        if self.settings.is_empty() {
            out.push_str("\nno setting differs\n");
        } else {
            out.push_str("\nsettings that differ\n");
            for one in &self.settings {
                let value = |text: &Option<String>| text.clone().unwrap_or_else(|| DASH.to_owned());
                let _ = writeln!(out, "  {}: {} -> {}", one.key, value(&one.a), value(&one.b));
            }
        }
        let _ = writeln!(out, "\n{:22} {:>16} {:>16} {:>16}", "figure", "A", "B", "B - A");
        for (figure, found) in FIGURES.iter().zip(&self.figures) {
            let [a, b, difference] = [found.a, found.b, found.difference].map(|v| cell(v, figure));
            let _ = writeln!(out, "{:22} {a:>16} {b:>16} {difference:>16}", figure.name);
        }
        let _ = writeln!(out, "\ndecisions: {}", self.decisions.sentence());
        out
    }

    /// The page: one file without scripts and without anything from elsewhere.
    pub fn page(&self, made_at_ms: i64) -> String {
        let title = format!("{} against {}", self.a.tag, self.b.tag);
        let body = html! {
            (shapes())
            header { p.kind { "comparison" } h1 { bdi { (self.a.tag) } " against " bdi { (self.b.tag) } } }
            main { (self.sections()) }
            footer { p { "Made " (minute(made_at_ms)) " UTC. Times are UTC; a slot is named by the close of its bar." } }
        };
        whole(&title, &body)
    }

    fn sections(&self) -> Markup {
        html! {
            section #ledgers {
                h2 { "Both" }
                dl.facts { dt { "A" } dd { bdi { (self.a.words()) } } dt { "B" } dd { bdi { (self.b.words()) } } }
            }
            section #decisions { h2 { "Decisions" } p { (self.decisions.sentence()) "." } }
            section #equity { h2 { "Both equities" } (self.picture()) }
            section #figures { h2 { "Figures" } (self.table()) }
            section #settings {
                h2 { "Settings that differ" }
                @if self.settings.is_empty() { p.none { "None." } } @else {
                    div.wide tabindex="0" role="group" aria-label="settings" { table.settings {
                        thead { tr { th scope="col" { "key" } th scope="col" { "A" } th scope="col" { "B" } } }
                        tbody { @for one in &self.settings { tr { th scope="row" { code { (one.key) } } (setting(one.a.as_deref())) (setting(one.b.as_deref())) } } }
                    } }
                }
            }
        }
    }

    fn picture(&self) -> Markup {
        let [a, b] = &self.gains;
        if a.len() < 2 || b.len() < 2 {
            return html! { p.none { "– one of them has fewer than two rows." } };
        }
        let all = || a.iter().chain(b);
        let x = Range {
            low: all().map(|at| at.0).min().unwrap_or(0) as f64,
            high: all().map(|at| at.0).max().unwrap_or(1) as f64,
        };
        let y = Range::of(all().map(|at| at.1).chain([0.0]));
        let space = Space { x, y, height: HIGH };
        let last = |line: &[PyramidPoint]| percent_gain(line.last().map_or(0.0, |at| at.1));
        Picture {
            id: "both",
            title: "Both equities, as gains since their first row",
            says: format!("At the end A made {}, B {}.", last(a), last(b)),
            x_ticks: times(x, 7),
            x_name: None,
            y_ticks: percents(y, 6),
            y_name: "gain since the first row".to_owned(),
            inside: html! {
                path.zero d=(format!("M0 {0:.1}H10000", space.down(0.0))) {}
                path.line.own d=(space.path(a)) {}
                // Dashes on top: where both are the same, both are seen.
                path.line.held.dashes d=(space.path(b)) {}
            },
            over: html! {},
            keys: vec![
                ("own", Sign::Line, format!("A: {}", self.a.tag)),
                ("held", Sign::Dashes, format!("B: {}", self.b.tag)),
            ],
            table: sampled(&["A", "B"], &[a, b], percent_gain),
            space,
        }
        .shown()
    }

    fn table(&self) -> Markup {
        html! {
            div.wide tabindex="0" role="group" aria-label="figures" { table {
                thead { tr { th scope="col" { "figure" } th.n scope="col" { "A" } th.n scope="col" { "B" } th.n scope="col" { "B − A" } } }
                tbody {
                    @for (figure, found) in FIGURES.iter().zip(&self.figures) {
                        tr {
                            th scope="row" { (figure.name) }
                            td.n { (cell(found.a, figure)) } td.n { (cell(found.b, figure)) } td.n { (cell(found.difference, figure)) }
                        }
                    }
                }
            } }
        }
    }
}

fn setting(value: Option<&str>) -> Markup {
    html! { td { @match value { Some(text) => { code { bdi { (text) } } }, None => { (DASH) } } } }
}

fn cell(value: Option<f64>, figure: &Figure) -> String {
    value.map_or_else(|| DASH.to_owned(), |value| shown(value, figure.unit))
}

impl ComparedLedger {
    fn words(&self) -> String {
        let Self { tag, kind, series, first_ts_ms, last_ts_ms, slots, .. } = self;
        let (from, to) = (minute(*first_ts_ms), minute(*last_ts_ms));
        format!("{tag} ({kind}), {}, {} slots, {from} to {to}", series.join(" "), count(*slots))
    }
}

fn ledger(report: &Report) -> ComparedLedger {
    let about = &report.about;
    ComparedLedger {
        tag: about.tag.clone(),
        kind: about.kind,
        series: [about.exchange.clone(), about.symbol.clone(), about.timeframe.clone()],
        first_ts_ms: report.period.first_ts_ms,
        last_ts_ms: report.period.last_ts_ms,
        slots: report.period.slots,
        build: about.ledger_build.clone(),
    }
}

fn all_settings(report: &Report) -> BTreeMap<String, String> {
    let mut all = report.about.settings.clone();
    all.extend(report.about.stop_fill.clone().map(|rule| ("stop fill".to_owned(), rule)));
    all
}

fn settings(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<SettingDifference> {
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    let one = |key: &String| SettingDifference {
        key: key.clone(),
        a: a.get(key).cloned(),
        b: b.get(key).cloned(),
    };
    keys.into_iter().map(one).filter(|one| one.a != one.b).collect()
}

fn gains(report: &Report) -> Vec<PyramidPoint> {
    let start = report.period.start_equity;
    let gain = |(ts_ms, equity): &PyramidPoint| (*ts_ms, equity / start - 1.0);
    report.curves.equity.iter().map(gain).filter(|at| at.1.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let found = settings(
            &of(&[("a", "1"), ("b", "2"), ("c", "3")]),
            &of(&[("a", "1"), ("b", "5"), ("d", "4")]),
        );
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found
                .iter()
                .map(|one| (one.key.as_str(), one.a.clone(), one.b.clone()))
                .collect::<Vec<_>>(),
            [("b", some("2"), some("5")), ("c", some("3"), None), ("d", None, some("4"))]
        );
    }

    #[test]
    fn rows_are_compared_in_one_sentence() {
        let first = FirstDifference {
            ts_ms: 1_677_751_500_000,
            layer: "features",
            column: "feat_hash",
            a: "x".into(),
            b: "y".into(),
        };
        let none = RowsDifference {
            rows: 105_120,
            differing: 0,
            sync_ts_ms: Some(0),
            first: None,
            why_not: None,
        };
        assert_eq!(none.sentence().replace('\u{202f}', ","), "all 105,120 slots are the same");
        let some = RowsDifference { differing: 1_204, first: Some(first), ..none.clone() };
        assert_eq!(
            some.sentence().replace('\u{202f}', ","),
            "1,204 of 105,120 slots differ, first 2023-03-02T10:05Z: features feat_hash (x against y)"
        );
        let not = RowsDifference { why_not: Some("other bars".into()), ..none };
        assert_eq!(not.sentence(), "the rows were not compared: other bars");
    }
}
