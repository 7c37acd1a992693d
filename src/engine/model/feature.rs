//! What a model may look at. Every feature is free of the price level, so that a model outlives a price.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::engine::{
    indicators::length::Length,
    strategy::params::{warm_up, wilder_as_ema},
};

/// Which indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureKind {
    /// `ln(close / close n bars ago)`.
    LogReturn,
    /// Sample standard deviation of the last n one-bar log returns.
    Volatility,
    /// Wilder's RSI, 0 to 100.
    Rsi,
    /// Wilder's average true range, as a fraction of the close.
    AtrPct,
    /// `(close - ema) / ema`.
    EmaGap,
    /// Where the close lies between the lowest low (0) and the highest high (1) of n bars; one half without any range.
    RangePlace,
    /// Distance of the volume from its mean, in standard deviations.
    VolumeZ,
    /// Distance of the close from its mean, in standard deviations; 0 without any.
    CloseZ,
}

impl FeatureKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::LogReturn,
        Self::Volatility,
        Self::Rsi,
        Self::AtrPct,
        Self::EmaGap,
        Self::RangePlace,
        Self::VolumeZ,
        Self::CloseZ,
    ];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogReturn => "log_return",
            Self::Volatility => "volatility",
            Self::Rsi => "rsi",
            Self::AtrPct => "atr_pct",
            Self::EmaGap => "ema_gap",
            Self::RangePlace => "range_place",
            Self::VolumeZ => "volume_z",
            Self::CloseZ => "close_z",
        }
    }
}

/// An indicator and its length, written `rsi_14`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Feature {
    kind: FeatureKind,
    bars: Length,
}

/// A word that names no feature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no feature: write an indicator and its bars, as in rsi_14; there are log_return volatility rsi atr_pct ema_gap \
     range_place volume_z close_z, each with 1 to {max} bars, volatility with 2 or more",
    max = Length::MAX
)]
pub struct FeatureError(String);

impl Feature {
    /// `None` where the indicator has no meaning at this length.
    pub fn new(kind: FeatureKind, bars: Length) -> Option<Self> {
        (kind != FeatureKind::Volatility || bars.get() > 1).then_some(Self { kind, bars })
    }

    /// Which indicator.
    pub const fn kind(self) -> FeatureKind {
        self.kind
    }

    /// Its length.
    pub const fn bars(self) -> Length {
        self.bars
    }

    /// Bars since the anchor before it is meaningful.
    pub const fn warm_up_bars(self) -> u32 {
        let bars = self.bars;
        match self.kind {
            FeatureKind::LogReturn | FeatureKind::Volatility => bars.get() + 1,
            FeatureKind::Rsi | FeatureKind::AtrPct => warm_up(wilder_as_ema(bars)),
            FeatureKind::EmaGap => warm_up(bars.get()),
            FeatureKind::RangePlace | FeatureKind::VolumeZ | FeatureKind::CloseZ => bars.get(),
        }
    }
}

impl FromStr for Feature {
    type Err = FeatureError;

    fn from_str(text: &str) -> Result<Self, FeatureError> {
        let refused = || FeatureError(text.chars().take(80).collect());
        let (name, bars) = text.rsplit_once('_').ok_or_else(refused)?;
        let kind = FeatureKind::ALL.into_iter().find(|kind| kind.name() == name);
        let is_plain = bars.bytes().all(|byte| byte.is_ascii_digit()) && !bars.starts_with('0');
        let bars = bars.parse().ok().filter(|_| is_plain).and_then(Length::new);
        kind.zip(bars).and_then(|(kind, bars)| Self::new(kind, bars)).ok_or_else(refused)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.kind.name(), self.bars.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for kind in FeatureKind::ALL {
            let text = format!("{}_20", kind.name());
            assert_eq!(text.parse::<Feature>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "rsi",
            "rsi_",
            "rsi_0",
            "rsi_014",
            "rsi_+4",
            "rsi_10001",
            "volatility_1",
            "sharpe_5",
            "RSI_14",
        ] {
            assert!(
                bad.parse::<Feature>().unwrap_err().to_string().starts_with(&format!("`{bad}`"))
            );
        }
    }

    #[test]
    fn recursive_averages_warm_up_longest() {
        for (text, bars) in [
            ("log_return_12", 13),
            ("volatility_12", 13),
            ("rsi_14", 109),
            ("atr_pct_14", 109),
            ("ema_gap_50", 201),
            ("range_place_48", 48),
            ("volume_z_48", 48),
            ("close_z_20", 20),
        ] {
            assert_eq!(text.parse::<Feature>().unwrap().warm_up_bars(), bars, "{text}");
        }
    }
}
