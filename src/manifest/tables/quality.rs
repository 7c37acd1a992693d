//! The table of data-quality: what is looked for in the stored bars, and how grave each finding is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{super::values::Parsed, words};
use crate::domain::{
    ids::{Exchange, Tag},
    series::Symbol,
    time::Timeframe,
};

words! {
    /// What is looked for in stored bars.
    QualityCheck {
        /// Files and rows that cannot be read, or that no other job accepts.
        Unreadable = "unreadable",
        /// Several rows with one stamp.
        Duplicates = "duplicates",
        /// Stamps that are not on the grid of the timeframe.
        Misaligned = "misaligned",
        /// Rows that come before the row above them.
        Disorder = "disorder",
        /// Bars in the partition of another day.
        WrongDay = "wrong-day",
        /// Values that are NaN or infinite.
        NotFinite = "not-finite",
        /// Prices that are zero or less.
        NonPositive = "non-positive",
        /// Volumes below zero.
        NegativeVolume = "negative-volume",
        /// Prices or volumes that no market has.
        OutOfRange = "out-of-range",
        /// High or low that do not enclose the other prices.
        Ohlc = "ohlc",
        /// Slots without a bar.
        Gaps = "gaps",
        /// Long runs of bars without volume.
        ZeroVolume = "zero-volume",
        /// Closes far from the close before, and wicks as long.
        Spikes = "spikes",
        /// Bars that were changed after they were stored.
        Revisions = "revisions",
        /// Days with too few bars.
        Coverage = "coverage",
        /// Differences from another series.
        Against = "against",
    }
}

words! {
    /// How grave a finding is.
    QualityLevel {
        /// The job ends with exit 1.
        Error = "error",
        /// It is shown, and the job ends with exit 0.
        Warn = "warn",
        /// It is not looked for.
        Off = "off",
    }
}

/// The doctor of the raw store: every fault of the stored bars with its file, row and slot. It changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DataQuality {
    /// Close time of the first slot looked at; without it, the first one with a bar.
    #[schemars(range(min = 0))]
    pub start_ts_ms: Option<i64>,
    /// Close time of the last slot looked at; without it, the last one with a bar. Slots that are still to come do not count.
    #[schemars(range(min = 0))]
    pub end_ts_ms: Option<i64>,
    /// Storage namespace of LIVE: gaps where it failed to fetch or to store, or was down, are `ours`.
    pub tag: Option<Parsed<Tag>>,
    /// Missing slots in a row above which a gap is an `outage` of the venue.
    pub outage_bars: u32,
    /// Bars without volume in a row above which they are a finding.
    pub zero_volume_bars: u32,
    /// How many robust standard deviations (1.4826 times the median absolute deviation of the window) a one-bar log return, or a wick, may have.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub spike_sigmas: f64,
    /// Rise or fall, in percent, below which no bar is a spike.
    #[schemars(range(min = 0))]
    pub spike_pct: f64,
    /// Largest share of the stored bars that may have been revised.
    #[schemars(range(min = 0, max = 1))]
    pub revision_rate_max: f64,
    /// Smallest share of its slots that a UTC day must have.
    #[schemars(range(min = 0, max = 1))]
    pub coverage_min: f64,
    /// Examples kept of each finding.
    #[schemars(range(min = 1, max = 1000))]
    pub examples: u32,
    /// How grave each finding is.
    pub severity: QualityLevels,
    /// Another series of the store to compare with, bar by bar. What is not written is that of the series itself; with
    /// nothing written nothing is compared.
    pub against: QualityAgainst,
}

impl Default for DataQuality {
    fn default() -> Self {
        Self {
            start_ts_ms: None,
            end_ts_ms: None,
            tag: None,
            outage_bars: 3,
            zero_volume_bars: 12,
            spike_sigmas: 10.0,
            spike_pct: 5.0,
            revision_rate_max: 0.01,
            coverage_min: 0.95,
            examples: 5,
            severity: QualityLevels::default(),
            against: QualityAgainst::default(),
        }
    }
}

/// How grave each finding is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct QualityLevels {
    /// Files and rows that cannot be read, or that no other job accepts.
    pub unreadable: QualityLevel,
    /// Several rows with one stamp.
    pub duplicates: QualityLevel,
    /// Stamps that are not on the grid of the timeframe.
    pub misaligned: QualityLevel,
    /// Rows that come before the row above them.
    pub disorder: QualityLevel,
    /// Bars in the partition of another day.
    pub wrong_day: QualityLevel,
    /// Values that are NaN or infinite.
    pub not_finite: QualityLevel,
    /// Prices that are zero or less.
    pub non_positive: QualityLevel,
    /// Volumes below zero.
    pub negative_volume: QualityLevel,
    /// Prices outside 0.000000000001 to 1000000000000, or volumes above 1e24.
    pub out_of_range: QualityLevel,
    /// High or low that do not enclose the other prices.
    pub ohlc: QualityLevel,
    /// Slots without a bar. Those of the class `no-trades` are shown and do not count.
    pub gaps: QualityLevel,
    /// Runs of bars without volume, longer than `zero-volume-bars`.
    pub zero_volume: QualityLevel,
    /// Closes that are both `spike-sigmas` and `spike-pct` away from the close before, and wicks as long.
    pub spikes: QualityLevel,
    /// A share of revised bars above `revision-rate-max`.
    pub revisions: QualityLevel,
    /// Days below `coverage-min`.
    pub coverage: QualityLevel,
    /// Differences from the series named in `against`.
    pub against: QualityLevel,
}

impl Default for QualityLevels {
    fn default() -> Self {
        use QualityLevel::{Error, Warn};
        Self {
            unreadable: Error,
            duplicates: Error,
            misaligned: Error,
            disorder: Error,
            wrong_day: Error,
            not_finite: Error,
            non_positive: Error,
            negative_volume: Error,
            out_of_range: Error,
            ohlc: Error,
            gaps: Warn,
            zero_volume: Warn,
            spikes: Warn,
            revisions: Warn,
            coverage: Warn,
            against: Error,
        }
    }
}

impl QualityLevels {
    /// How grave the findings of a check are.
    pub const fn of(&self, check: QualityCheck) -> QualityLevel {
        match check {
            QualityCheck::Unreadable => self.unreadable,
            QualityCheck::Duplicates => self.duplicates,
            QualityCheck::Misaligned => self.misaligned,
            QualityCheck::Disorder => self.disorder,
            QualityCheck::WrongDay => self.wrong_day,
            QualityCheck::NotFinite => self.not_finite,
            QualityCheck::NonPositive => self.non_positive,
            QualityCheck::NegativeVolume => self.negative_volume,
            QualityCheck::OutOfRange => self.out_of_range,
            QualityCheck::Ohlc => self.ohlc,
            QualityCheck::Gaps => self.gaps,
            QualityCheck::ZeroVolume => self.zero_volume,
            QualityCheck::Spikes => self.spikes,
            QualityCheck::Revisions => self.revisions,
            QualityCheck::Coverage => self.coverage,
            QualityCheck::Against => self.against,
        }
    }
}

/// Another series of the store to compare with, bar by bar.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct QualityAgainst {
    /// Its venue.
    pub exchange: Option<Parsed<Exchange>>,
    /// Its pair.
    pub symbol: Option<Parsed<Symbol>>,
    /// Its timeframe: the same or one that divides it; bars of a shorter one are put together first.
    pub timeframe: Option<Parsed<Timeframe>>,
    /// How far a value may be off, in percent. Volumes are compared on the same venue only.
    #[schemars(range(min = 0))]
    pub tolerance_pct: f64,
}
