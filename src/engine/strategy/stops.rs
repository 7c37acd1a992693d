//! What every rule strategy sets by the ATR, and which positions it may hold.

use super::{
    contract::Protection,
    params::{StrategyError, length, warm_up, wilder_as_ema},
};
use crate::{
    domain::decision::Side,
    engine::indicators::{atr::Atr, length::Length},
};

/// Which positions a strategy may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sides {
    /// Long and short.
    #[default]
    Both,
    /// Long only.
    Long,
    /// Short only.
    Short,
}

impl Sides {
    /// Whether `side` is among them.
    pub const fn allow(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Both, _) | (Self::Long, Side::Long) | (Self::Short, Side::Short)
        )
    }
}

/// Unchecked parameters of [`Stops`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopsParams {
    /// Bars of the ATR.
    pub atr: u32,
    /// Distance of the stop, in ATRs.
    pub stop_atr: f64,
    /// Distance of the target, in ATRs.
    pub target_atr: Option<f64>,
    /// Distance of the trailing stop, in ATRs.
    pub trail_atr: Option<f64>,
    /// Which positions it may hold.
    pub sides: Sides,
}

#[cfg(test)]
impl StopsParams {
    /// Those of the tests of the strategies.
    pub(super) const SAMPLE: Self =
        Self { atr: 14, stop_atr: 2.0, target_atr: Some(3.0), trail_atr: None, sides: Sides::Both };
}

/// Checked distances of stop, target and trailing stop, in ATRs, and the sides they are for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stops {
    atr: Length,
    stop: f64,
    target: Option<f64>,
    trail: Option<f64>,
    sides: Sides,
}

impl Stops {
    /// Every multiple must be positive and finite.
    pub(super) fn new(params: StopsParams) -> Result<Self, StrategyError> {
        let StopsParams { atr, stop_atr: stop, target_atr: target, trail_atr: trail, sides } =
            params;
        let atr = length("atr", atr)?;
        let given =
            [("stop_atr", Some(stop)), ("target_atr", target), ("trail_atr", trail)].into_iter();
        for (key, multiple) in given.filter_map(|(key, multiple)| Some((key, multiple?))) {
            if !(multiple.is_finite() && multiple > 0.0) {
                return Err(StrategyError::Multiple { key, multiple });
            }
        }
        Ok(Self { atr, stop, target, trail, sides })
    }

    /// The ATR in its starting state.
    pub(super) fn range(self) -> Atr {
        Atr::new(self.atr)
    }

    /// Bars since the anchor before the ATR is meaningful.
    pub(super) fn warm_up_bars(self) -> u32 {
        warm_up(wilder_as_ema(self.atr))
    }

    /// Whether a position on `side` may be held.
    pub(super) fn allow(self, side: Side) -> bool {
        self.sides.allow(side)
    }

    /// The distances at this ATR (quote currency); `None` without any range, where no stop can be placed.
    pub(super) fn protection(self, atr: f64) -> Option<Protection> {
        let distance = |multiple: f64| multiple * atr;
        let stop = distance(self.stop);
        (stop > 0.0).then(|| Protection {
            stop: Some(stop),
            target: self.target.map(distance),
            trail: self.trail.map(distance),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(
        stop_atr: f64,
        target_atr: Option<f64>,
        trail_atr: Option<f64>,
    ) -> Result<Stops, StrategyError> {
        Stops::new(StopsParams { atr: 14, stop_atr, target_atr, trail_atr, sides: Sides::Both })
    }

    #[test]
    fn sides_allow_what_they_say() {
        for (sides, long, short) in
            [(Sides::Both, true, true), (Sides::Long, true, false), (Sides::Short, false, true)]
        {
            assert_eq!((sides.allow(Side::Long), sides.allow(Side::Short)), (long, short));
        }
    }

    #[test]
    fn every_multiple_must_be_positive_and_finite() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            for (key, result) in [
                ("stop_atr", stops(bad, None, None)),
                ("target_atr", stops(1.0, Some(bad), None)),
                ("trail_atr", stops(1.0, None, Some(bad))),
            ] {
                assert!(result.unwrap_err().to_string().contains(key), "{key} {bad}");
            }
        }
    }

    #[test]
    fn distances_are_multiples_of_the_atr() {
        let all = stops(2.0, Some(3.0), Some(1.5)).unwrap();
        let expected = Protection { stop: Some(8.0), target: Some(12.0), trail: Some(6.0) };
        assert_eq!(all.protection(4.0), Some(expected));
        for no_range in [0.0, f64::NAN] {
            assert_eq!(all.protection(no_range), None);
        }
        let bare = stops(2.0, None, None).unwrap();
        let expected = Protection { stop: Some(8.0), target: None, trail: None };
        assert_eq!(bare.protection(4.0), Some(expected));
    }
}
