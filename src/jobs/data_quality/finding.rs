//! A finding: which check, how grave, how often, where first, and which command helps.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    domain::{
        ids::Tag,
        series::Series,
        time::{SlotTs, Timeframe},
    },
    manifest::{QualityCheck, QualityLevel},
};

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
