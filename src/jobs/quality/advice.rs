//! What to do about a finding: one command, where one command helps.

use super::finding::Finding;
use crate::{
    domain::{ids::Tag, series::Series, time::Timeframe},
    manifest::QualityCheck,
};

/// The command for a finding that was made.
pub fn next(finding: &Finding, series: &Series, tag: Option<&Tag>) -> Option<String> {
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
