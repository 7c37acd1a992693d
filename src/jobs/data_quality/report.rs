//! Findings: which check, how grave, how often, where first; as a table and as `quality.json`.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{
    domain::{
        ids::Tag,
        series::Series,
        time::{SlotTs, Timeframe, UtcMs, Window},
    },
    manifest::{QualityCheck, QualityLevel},
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.quality/1";

/// What is known about the stored bars of a series: `quality.json`.
#[derive(Debug, Serialize)]
pub struct QualityReport {
    schema: &'static str,
    pub series: String,
    /// First and last slot looked at, milliseconds UTC; absent when no row is in its place.
    pub window: Option<[i64; 2]>,
    /// Partitions read.
    pub files: usize,
    /// Rows read.
    pub rows: usize,
    /// Whether nothing of the severity `error` was found.
    pub passed: bool,
    /// What had to be left out, and why.
    pub notes: Vec<String>,
    /// Every check that is not off, in the order they are made.
    pub findings: Vec<QualityFinding>,
}

impl QualityReport {
    /// A report of a series; the findings decide whether it passes.
    pub fn new(
        series: String,
        window: Option<Window>,
        (files, rows): (usize, usize),
        notes: Vec<String>,
        findings: Vec<QualityFinding>,
    ) -> Self {
        let passed = !findings.iter().any(QualityFinding::is_error);
        let window = window.map(|window| [window.first().ts_ms(), window.last().ts_ms()]);
        Self { schema: SCHEMA, series, window, files, rows, passed, notes, findings }
    }

    /// One line.
    pub fn summary(&self) -> String {
        let of = |level: QualityLevel| -> Vec<&str> {
            let found = self.findings.iter().filter(|f| f.count > 0 && f.level == level);
            found.map(|finding| finding.check.name()).collect()
        };
        let (errors, warnings) = (of(QualityLevel::Error), of(QualityLevel::Warn));
        let verdict = if self.passed { "PASS" } else { "FAIL" };
        let mut text = format!("{verdict}: {} rows in {} files", self.rows, self.files);
        for (what, names) in [("errors", errors), ("warnings", warnings)] {
            if !names.is_empty() {
                let _ = write!(text, "; {what}: {}", names.join(", "));
            }
        }
        text
    }

    /// The table, and below it the first places of everything found.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.series, self.summary());
        if let Some([first, last]) = self.window {
            let _ = writeln!(text, "from {} to {}", place(first), place(last));
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        let _ = writeln!(text, "\n{:<16} {:<6} {:>9}", "check", "level", "count");
        for finding in &self.findings {
            let level = if finding.count == 0 { "ok" } else { finding.level.name() };
            let counted = format!("{} {}", finding.count, finding.unit);
            let classes = if finding.classes.is_empty() {
                String::new()
            } else {
                format!("  ({})", listed(&finding.classes))
            };
            let name = finding.check.name();
            let _ = writeln!(text, "{name:<16} {level:<6} {counted:>15}{classes}");
        }
        for finding in self.findings.iter().filter(|finding| finding.count > 0) {
            let _ = writeln!(text, "\n{}:", finding.check.name());
            for example in &finding.examples {
                let _ = writeln!(text, "  {}", shown(example));
            }
            if let Some(next) = &finding.next {
                let _ = writeln!(text, "  next: {next}");
            }
        }
        text
    }
}

fn listed(classes: &BTreeMap<&'static str, u64>) -> String {
    classes.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
}

fn shown(example: &Example) -> String {
    let mut parts = Vec::new();
    if let Some(file) = &example.file {
        let row = example.row.map_or(String::new(), |row| format!(":{row}"));
        parts.push(format!("{file}{row}"));
    }
    parts.extend(example.ts_ms.map(place));
    parts.push(example.what.clone());
    parts.join("  ")
}

/// A stamp, and what it means where it is a time.
fn place(ts_ms: i64) -> String {
    UtcMs::new(ts_ms).map_or_else(|_| ts_ms.to_string(), |at| format!("{ts_ms} ({at})"))
}

/// One place where something was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Close time of the slot, milliseconds UTC; of a misaligned row, what the row says.
    pub ts_ms: Option<i64>,
    /// The partition.
    pub file: Option<String>,
    /// Its row, from 1.
    pub row: Option<u64>,
    /// What is wrong there.
    pub what: String,
}

impl Example {
    pub fn at(ts: SlotTs, what: String) -> Self {
        Self { ts_ms: Some(ts.ts_ms()), file: None, row: None, what }
    }

    /// In a file as a whole.
    pub fn in_file(file: String, what: String) -> Self {
        Self { ts_ms: None, file: Some(file), row: None, what }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QualityFinding {
    pub check: QualityCheck,
    /// How grave it is when the count is not zero.
    pub level: QualityLevel,
    /// How often it was found.
    pub count: u64,
    /// What was counted.
    pub unit: &'static str,
    /// The kinds of it with their numbers; some of them may be harmless and not be in the count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<&'static str, u64>,
    /// The first places.
    pub examples: Vec<Example>,
    /// A command that helps.
    pub next: Option<String>,
}

impl QualityFinding {
    /// Of a check, with all its places, of which the first `most` are kept.
    pub fn new(
        check: QualityCheck,
        unit: &'static str,
        count: u64,
        examples: impl IntoIterator<Item = Example>,
    ) -> Self {
        Self {
            check,
            level: QualityLevel::Off,
            count,
            unit,
            classes: BTreeMap::new(),
            examples: examples.into_iter().collect(),
            next: None,
        }
    }

    /// Whether it ends the job with exit 1.
    pub fn is_error(&self) -> bool {
        self.count > 0 && self.level == QualityLevel::Error
    }
}

/// The command for a finding that was made.
pub fn next(finding: &QualityFinding, series: &Series, tag: Option<&Tag>) -> Option<String> {
    let (venue, symbol, timeframe) = (series.exchange(), series.symbol(), series.timeframe());
    let of = format!("exchange={venue} symbol={symbol} timeframe={timeframe}");
    let import = |file: &str| format!("runner run jobs/import.toml -p path={file} {of}");
    let file = finding.examples.iter().find_map(|example| example.file.as_deref());
    let partition = file.filter(|file| file.ends_with(".parquet"));
    match finding.check {
        // Import reads what other jobs refuse: it sorts, keeps the last of several rows, and leaves impossible ones out.
        QualityCheck::Duplicates
        | QualityCheck::Misaligned
        | QualityCheck::Disorder
        | QualityCheck::WrongDay
        | QualityCheck::NotFinite
        | QualityCheck::NonPositive
        | QualityCheck::NegativeVolume
        | QualityCheck::OutOfRange
        | QualityCheck::Ohlc => partition.map(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            format!("mv {path} {name} && {}", import(name))
        }),
        QualityCheck::Unreadable => {
            partition.map(|path| format!("mv {path} . && {}", import("FILE")))
        }
        QualityCheck::Gaps | QualityCheck::Coverage => Some(import("FILE")),
        QualityCheck::ZeroVolume | QualityCheck::Spikes if timeframe > Timeframe::M1 => {
            Some(format!("runner run jobs/data-quality.toml -p {of} against-timeframe=1m"))
        }
        QualityCheck::Revisions => {
            tag.map(|tag| format!("runner run jobs/eqflat.toml -p tag={tag} {of}"))
        }
        QualityCheck::ZeroVolume | QualityCheck::Spikes | QualityCheck::Against => None,
    }
}
