//! Mean reversion: the RSI comes back from an extreme; the position is left when it has reached the middle.

use super::{
    contract::{Features, Intent, Strategy},
    params::{StrategyError, length, warm_up, wilder_as_ema},
    stops::{Stops, StopsParams},
};
use crate::{
    domain::{bar::Bar, decision::Side, time::SlotTs},
    engine::indicators::{atr::Atr, length::Length, rsi::Rsi},
};

/// Unchecked parameters of [`RsiRevert`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RsiRevertParams {
    /// Bars of the RSI.
    pub rsi: u32,
    /// The level a long entry comes back above, 0 to 100.
    pub oversold: f64,
    /// The level a short entry comes back below, 0 to 100.
    pub overbought: f64,
    /// The level at which a long position is left; a short one is left at 100 minus it.
    pub exit: f64,
    /// Its stops, and the sides it may be on.
    pub stops: StopsParams,
}

/// Enters when the RSI crosses back from an extreme, leaves when it has reached the exit level.
#[derive(Debug, Clone, PartialEq)]
pub struct RsiRevert {
    rsi: Length,
    oversold: f64,
    overbought: f64,
    exit: f64,
    stops: Stops,
}

impl RsiRevert {
    /// Checks the parameters.
    pub fn new(params: RsiRevertParams) -> Result<Self, StrategyError> {
        let RsiRevertParams { rsi, oversold, overbought, exit, stops } = params;
        let middle = |level: f64| oversold < level && level < overbought;
        if !(oversold > 0.0 && middle(exit) && middle(100.0 - exit) && overbought < 100.0) {
            return Err(StrategyError::Levels { oversold, exit, overbought });
        }
        Ok(Self { rsi: length("rsi", rsi)?, oversold, overbought, exit, stops: Stops::new(stops)? })
    }

    /// The side an RSI coming back from an extreme points to, if that side is allowed.
    fn recross(&self, rsi: f64, rsi_prev: f64) -> Option<(Side, &'static str)> {
        let recross = if rsi_prev <= self.oversold && rsi > self.oversold {
            (Side::Long, "rsi_oversold_recross")
        } else if rsi_prev >= self.overbought && rsi < self.overbought {
            (Side::Short, "rsi_overbought_recross")
        } else {
            return None;
        };
        self.stops.allow(recross.0).then_some(recross)
    }

    /// Whether the reversion a position on `side` waits for has happened.
    fn reached(&self, rsi: f64, side: Side) -> bool {
        match side {
            Side::Long => rsi >= self.exit,
            Side::Short => rsi <= 100.0 - self.exit,
        }
    }
}

/// Features at one close, in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RsiRevertValues([f64; 3]);

impl AsRef<[f64]> for RsiRevertValues {
    fn as_ref(&self) -> &[f64] {
        &self.0
    }
}

/// The indicators of [`RsiRevert`].
#[derive(Debug, Clone)]
pub struct RsiRevertFeatures {
    rsi: Rsi,
    atr: Atr,
    rsi_prev: f64,
}

impl Features for RsiRevertFeatures {
    type Values = RsiRevertValues;

    #[inline]
    fn update(&mut self, bar: &Bar) -> RsiRevertValues {
        let rsi = self.rsi.update(bar.close());
        let atr = self.atr.update(bar);
        let rsi_prev = std::mem::replace(&mut self.rsi_prev, rsi);
        RsiRevertValues([rsi, rsi_prev, atr])
    }
}

impl Strategy for RsiRevert {
    type Features = RsiRevertFeatures;

    const NAME: &'static str = "rsi_revert";

    fn feature_names(&self) -> Vec<String> {
        ["rsi", "rsi_prev", "atr"].map(str::to_owned).to_vec()
    }

    fn entry_rules(&self) -> &'static [&'static str] {
        &["rsi_oversold_recross", "rsi_overbought_recross"]
    }

    fn warm_up_bars(&self) -> u32 {
        warm_up(wilder_as_ema(self.rsi)).max(self.stops.warm_up_bars())
    }

    fn features(&self) -> RsiRevertFeatures {
        RsiRevertFeatures { rsi: Rsi::new(self.rsi), atr: self.stops.range(), rsi_prev: f64::NAN }
    }

    /// A recross against the position reverses it; else a reached exit level closes it; else a recross enters.
    #[inline]
    fn decide(
        &self,
        _: SlotTs,
        values: &RsiRevertValues,
        _: Option<i64>,
        held: Option<Side>,
    ) -> Intent {
        let [rsi, rsi_prev, atr] = values.0;
        let recross = self.recross(rsi, rsi_prev);
        let reverses = recross.is_some_and(|(side, _)| held == Some(side.opposite()));
        if !reverses && held.is_some_and(|side| self.reached(rsi, side)) {
            return Intent::Exit("rsi_mean_reached");
        }
        let Some((side, rule)) = recross else { return Intent::Hold("no_signal") };
        match self.stops.protection(atr) {
            Some(protection) => Intent::Enter(side, rule, protection),
            None => Intent::Hold("no_range"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::time::Timeframe,
        engine::strategy::{contract::Protection, stops::Sides},
    };

    const PARAMS: RsiRevertParams = RsiRevertParams {
        rsi: 14,
        oversold: 30.0,
        overbought: 70.0,
        exit: 55.0,
        stops: StopsParams { target_atr: None, trail_atr: Some(1.5), ..StopsParams::SAMPLE },
    };

    fn of_atr(atr: u32) -> StopsParams {
        StopsParams { atr, ..PARAMS.stops }
    }

    #[test]
    fn parameters_are_checked() {
        for (params, key) in [
            (RsiRevertParams { rsi: 0, ..PARAMS }, "`rsi`"),
            (RsiRevertParams { stops: of_atr(10_001), ..PARAMS }, "`atr`"),
            (RsiRevertParams { oversold: 0.0, ..PARAMS }, "levels"),
            (RsiRevertParams { overbought: 100.0, ..PARAMS }, "levels"),
            (RsiRevertParams { exit: 30.0, ..PARAMS }, "levels"),
            (RsiRevertParams { exit: 70.0, ..PARAMS }, "levels"),
            (RsiRevertParams { oversold: 46.0, ..PARAMS }, "levels"),
            (RsiRevertParams { exit: f64::NAN, ..PARAMS }, "levels"),
        ] {
            let message = RsiRevert::new(params).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn the_warm_up_covers_the_slower_average() {
        for (rsi, atr, bars) in [(14, 14, 109), (14, 20, 157), (20, 14, 157), (1, 1, 5)] {
            let strategy =
                RsiRevert::new(RsiRevertParams { rsi, stops: of_atr(atr), ..PARAMS }).unwrap();
            assert_eq!(strategy.warm_up_bars(), bars);
        }
    }

    #[test]
    fn every_branch_of_the_rule() {
        let slot = Timeframe::M5.slot(300_000).unwrap();
        use Side::{Long, Short};
        let protection = Protection { stop: Some(8.0), target: None, trail: Some(6.0) };
        let hold = Intent::Hold("no_signal");
        let exit = Intent::Exit("rsi_mean_reached");
        let buy = Intent::Enter(Long, "rsi_oversold_recross", protection);
        let sell = Intent::Enter(Short, "rsi_overbought_recross", protection);
        for (sides, rsi_prev, rsi, held, expected) in [
            (Sides::Both, 25.0, 31.0, None, buy),
            (Sides::Both, 30.0, 30.5, None, buy),
            (Sides::Both, 25.0, 30.0, None, hold),
            (Sides::Both, 31.0, 32.0, None, hold),
            (Sides::Both, 35.0, 25.0, None, hold),
            (Sides::Both, 75.0, 69.0, None, sell),
            (Sides::Both, 70.0, 69.5, None, sell),
            (Sides::Both, 75.0, 70.0, None, hold),
            (Sides::Both, 65.0, 75.0, None, hold),
            (Sides::Both, f64::NAN, 31.0, None, hold),
            // Exits: long at 55 and above, short at 45 and below, none when flat.
            (Sides::Both, 50.0, 55.0, Some(Long), exit),
            (Sides::Both, 50.0, 54.9, Some(Long), hold),
            (Sides::Both, 50.0, 45.0, Some(Short), exit),
            (Sides::Both, 50.0, 45.1, Some(Short), hold),
            (Sides::Both, 50.0, 60.0, None, hold),
            // Both at once: a jump from the extreme to the exit level closes, a recross to the other side reverses.
            (Sides::Both, 25.0, 60.0, Some(Long), exit),
            (Sides::Both, 75.0, 40.0, Some(Short), exit),
            (Sides::Both, 75.0, 69.0, Some(Long), sell),
            (Sides::Both, 25.0, 31.0, Some(Short), buy),
            // One side only: the other side's recross is no signal.
            (Sides::Long, 25.0, 31.0, None, buy),
            (Sides::Long, 75.0, 69.0, None, hold),
            (Sides::Long, 75.0, 69.0, Some(Long), exit),
            (Sides::Short, 75.0, 69.0, None, sell),
            (Sides::Short, 25.0, 31.0, None, hold),
            (Sides::Short, 25.0, 31.0, Some(Short), exit),
        ] {
            let strategy = RsiRevert::new(RsiRevertParams {
                stops: StopsParams { sides, ..PARAMS.stops },
                ..PARAMS
            })
            .unwrap();
            let values = RsiRevertValues([rsi, rsi_prev, 4.0]);
            assert_eq!(
                strategy.decide(slot, &values, None, held),
                expected,
                "{sides:?} {values:?} {held:?}"
            );
        }
        let strategy = RsiRevert::new(PARAMS).unwrap();
        let without_range = RsiRevertValues([31.0, 25.0, 0.0]);
        assert_eq!(strategy.decide(slot, &without_range, None, None), Intent::Hold("no_range"));
    }

    #[test]
    fn the_features_are_the_indicators_and_the_last_rsi() {
        let strategy =
            RsiRevert::new(RsiRevertParams { rsi: 1, stops: of_atr(1), ..PARAMS }).unwrap();
        let mut features = strategy.features();
        let bar = |close: f64| Bar::new([close, close + 1.0, close - 1.0, close, 1.0]).unwrap();
        for close in [10.0, 12.0] {
            features.update(&bar(close));
        }
        assert_eq!(features.update(&bar(8.0)).as_ref(), [0.0, 100.0, 5.0]);
        assert_eq!(strategy.feature_names().len(), 3);
    }
}
