//! The table of data-quality: what is looked for in the stored bars, and how grave each finding is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::{super::values::Parsed, findings};
use crate::domain::{
    ids::{Exchange, Tag},
    series::Symbol,
    time::Timeframe,
};

findings! {
    /// What is looked for in stored bars.
    QualityCheck in
    /// How grave each finding is.
    QualityLevels of QualityLevel {
        /// Files and rows that cannot be read, or that no other job accepts.
        Unreadable = "unreadable", unreadable: Error;
        /// Several rows with one stamp.
        Duplicates = "duplicates", duplicates: Error;
        /// Stamps that are not on the grid of the timeframe.
        Misaligned = "misaligned", misaligned: Error;
        /// Rows that come before the row above them.
        Disorder = "disorder", disorder: Error;
        /// Bars in the partition of another day.
        WrongDay = "wrong-day", wrong_day: Error;
        /// Values that are NaN or infinite.
        NotFinite = "not-finite", not_finite: Error;
        /// Prices that are zero or less.
        NonPositive = "non-positive", non_positive: Error;
        /// Volumes below zero.
        NegativeVolume = "negative-volume", negative_volume: Error;
        /// Prices outside 0.000000000001 to 1000000000000, or volumes above 1e24.
        OutOfRange = "out-of-range", out_of_range: Error;
        /// High or low that do not enclose the other prices.
        Ohlc = "ohlc", ohlc: Error;
        /// Slots without a bar. Those of the class `no-trades` are shown and do not count.
        Gaps = "gaps", gaps: Warn;
        /// Runs of bars without volume, longer than `zero-volume-bars`.
        ZeroVolume = "zero-volume", zero_volume: Warn;
        /// Closes that are both `spike-sigmas` and `spike-pct` away from the close before, and wicks as long.
        Spikes = "spikes", spikes: Warn;
        /// A share of revised bars above `revision-rate-max`.
        Revisions = "revisions", revisions: Warn;
        /// Days below `coverage-min`.
        Coverage = "coverage", coverage: Warn;
        /// Differences from the series named in `against`.
        Against = "against", against: Error;
    }
    always Error {}
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
