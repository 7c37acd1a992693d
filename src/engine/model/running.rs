//! The features of a model, bar by bar.

use super::feature::{Feature, FeatureKind};
use crate::{
    domain::bar::Bar,
    engine::indicators::{
        atr::Atr,
        bollinger::Bollinger,
        ema::Ema,
        extreme::{RollingHigh, RollingLow},
        returns::{ReturnKind, Returns},
        rsi::Rsi,
        volatility::RealisedVolatility,
        volume_z::VolumeZ,
    },
};

/// Most values in a vector: the features of a model, and the range its stops are measured with.
pub const FEATURES_MAX: usize = 32;

/// A feature vector of a length known when the model is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vector {
    values: [f64; FEATURES_MAX],
    len: usize,
}

impl Vector {
    /// Without values.
    pub const EMPTY: Self = Self { values: [0.0; FEATURES_MAX], len: 0 };

    /// Adds a value; there is room for [`FEATURES_MAX`].
    #[inline]
    pub fn push(&mut self, value: f64) {
        self.values[self.len] = value;
        self.len += 1;
    }
}

impl AsRef<[f64]> for Vector {
    #[inline]
    fn as_ref(&self) -> &[f64] {
        &self.values[..self.len]
    }
}

/// One indicator at work.
#[derive(Debug, Clone)]
enum Running {
    LogReturn(Returns),
    Volatility(RealisedVolatility),
    Rsi(Rsi),
    AtrPct(Atr),
    EmaGap(Ema),
    RangePlace(RollingHigh, RollingLow),
    VolumeZ(VolumeZ),
    CloseZ(Bollinger),
}

impl Running {
    fn start(feature: Feature) -> Self {
        let bars = feature.bars();
        match feature.kind() {
            FeatureKind::LogReturn => Self::LogReturn(Returns::new(bars, ReturnKind::Log)),
            FeatureKind::Volatility => Self::Volatility(
                RealisedVolatility::new(bars).expect("a volatility has two bars or more"),
            ),
            FeatureKind::Rsi => Self::Rsi(Rsi::new(bars)),
            FeatureKind::AtrPct => Self::AtrPct(Atr::new(bars)),
            FeatureKind::EmaGap => Self::EmaGap(Ema::new(bars)),
            FeatureKind::RangePlace => {
                Self::RangePlace(RollingHigh::new(bars), RollingLow::new(bars))
            }
            FeatureKind::VolumeZ => Self::VolumeZ(VolumeZ::new(bars)),
            FeatureKind::CloseZ => Self::CloseZ(Bollinger::new(bars, 1.0)),
        }
    }

    #[inline]
    fn update(&mut self, bar: &Bar) -> f64 {
        let close = bar.close();
        match self {
            Self::LogReturn(returns) => returns.update(close),
            Self::Volatility(volatility) => volatility.update(close),
            Self::Rsi(rsi) => rsi.update(close),
            Self::AtrPct(atr) => atr.update(bar) / close,
            Self::EmaGap(ema) => {
                let average = ema.update(close);
                (close - average) / average
            }
            Self::RangePlace(high, low) => {
                let (high, low) = (high.update(bar.high()), low.update(bar.low()));
                if high == low { 0.5 } else { (close - low) / (high - low) }
            }
            Self::VolumeZ(z) => z.update(bar.volume()),
            Self::CloseZ(bands) => {
                let bands = bands.update(close);
                let sd = bands.upper - bands.middle;
                if sd == 0.0 { 0.0 } else { (close - bands.middle) / sd }
            }
        }
    }
}

/// The features of a model in their order, started fresh at an anchor.
#[derive(Debug, Clone)]
pub struct RunningFeatures(Vec<Running>);

impl RunningFeatures {
    /// None has seen a bar yet. There are at most [`FEATURES_MAX`].
    pub fn new(features: &[Feature]) -> Self {
        assert!(features.len() <= FEATURES_MAX, "a model sees at most {FEATURES_MAX} features");
        Self(features.iter().copied().map(Running::start).collect())
    }

    /// Takes in the next bar; values are NaN until their indicator is warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> Vector {
        let mut vector = Vector::EMPTY;
        for running in &mut self.0 {
            vector.push(running.update(bar));
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::indicators::sample;

    fn last(feature: &str) -> f64 {
        let mut running = RunningFeatures::new(&[feature.parse().unwrap()]);
        let values = sample::bars().map(|bar| running.update(&bar).as_ref()[0]);
        values.last().unwrap()
    }

    #[test]
    fn each_is_the_indicator_it_names() {
        // The same series in NumPy 2.4.6; range and bands over the last 5 bars.
        let near =
            |got: f64, expected: f64| assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        near(last("log_return_3"), -0.012204203220045636);
        near(last("volatility_5"), 0.023009930977907943);
        near(last("volume_z_6"), -0.264873978843338);
        near(last("range_place_5"), (101.8 - 98.9) / (104.15 - 98.9));
        let closes = [103.2, 103.05, 99.85, 99.3, 101.8];
        let mean = closes.iter().sum::<f64>() / 5.0;
        let sd = (closes.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 5.0).sqrt();
        near(last("close_z_5"), (101.8 - mean) / sd);
        let mut ema = Ema::new(sample::length(5));
        let average = sample::closes().map(|close| ema.update(close)).last().unwrap();
        near(last("ema_gap_5"), 101.8 / average - 1.0);
        let mut atr = Atr::new(sample::length(5));
        let range = sample::bars().map(|bar| atr.update(&bar)).last().unwrap();
        near(last("atr_pct_5"), range / 101.8);
        let mut rsi = Rsi::new(sample::length(5));
        near(last("rsi_5"), sample::closes().map(|close| rsi.update(close)).last().unwrap());
    }

    #[test]
    fn a_market_at_rest_gives_numbers() {
        let names = [
            "range_place_3",
            "volume_z_3",
            "close_z_3",
            "log_return_1",
            "volatility_2",
            "rsi_3",
            "atr_pct_3",
        ];
        let features = names.map(|name| name.parse().unwrap());
        let mut running = RunningFeatures::new(&features);
        let bar = Bar::new([5.0, 5.0, 5.0, 5.0, 0.0]).unwrap();
        let vector = (0..10).map(|_| running.update(&bar)).last().unwrap();
        assert_eq!(vector.as_ref(), [0.5, 0.0, 0.0, 0.0, 0.0, 50.0, 0.0]);
    }
}
