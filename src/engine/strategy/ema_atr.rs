//! Trend following: two exponential averages cross, the ATR sets the distances of stop, target and trailing stop.

use super::{
    contract::{Features, Intent, Strategy},
    params::{StrategyError, length, warm_up},
    stops::{Stops, StopsParams},
};
use crate::{
    domain::{bar::Bar, decision::Side, time::SlotTs},
    engine::indicators::{atr::Atr, ema::Ema, length::Length},
};

/// Unchecked parameters of [`EmaAtr`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmaAtrParams {
    /// Bars of the fast average.
    pub fast: u32,
    /// Bars of the slow average.
    pub slow: u32,
    /// Its stops, and the sides it may be on.
    pub stops: StopsParams,
}

/// Enters when the fast average crosses the slow one, in the direction of the cross; leaves at the opposite cross.
#[derive(Debug, Clone, PartialEq)]
pub struct EmaAtr {
    fast: Length,
    slow: Length,
    stops: Stops,
}

impl EmaAtr {
    /// Checks the parameters.
    pub fn new(params: EmaAtrParams) -> Result<Self, StrategyError> {
        let EmaAtrParams { fast, slow, stops } = params;
        let strategy = Self {
            fast: length("fast", fast)?,
            slow: length("slow", slow)?,
            stops: Stops::new(stops)?,
        };
        if fast >= slow {
            return Err(StrategyError::FastNotShorter { fast, slow });
        }
        Ok(strategy)
    }
}

/// Features at one close, in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmaAtrValues([f64; 5]);

impl AsRef<[f64]> for EmaAtrValues {
    fn as_ref(&self) -> &[f64] {
        &self.0
    }
}

/// The indicators of [`EmaAtr`].
#[derive(Debug, Clone)]
pub struct EmaAtrFeatures {
    fast: Ema,
    slow: Ema,
    atr: Atr,
    fast_prev: f64,
    slow_prev: f64,
}

impl Features for EmaAtrFeatures {
    type Values = EmaAtrValues;

    #[inline]
    fn update(&mut self, bar: &Bar) -> EmaAtrValues {
        let fast = self.fast.update(bar.close());
        let slow = self.slow.update(bar.close());
        let atr = self.atr.update(bar);
        let fast_prev = std::mem::replace(&mut self.fast_prev, fast);
        let slow_prev = std::mem::replace(&mut self.slow_prev, slow);
        EmaAtrValues([fast, slow, fast_prev, slow_prev, atr])
    }
}

impl Strategy for EmaAtr {
    type Features = EmaAtrFeatures;

    const NAME: &'static str = "ema_atr";

    fn feature_names(&self) -> Vec<String> {
        ["ema_fast", "ema_slow", "ema_fast_prev", "ema_slow_prev", "atr"]
            .map(str::to_owned)
            .to_vec()
    }

    fn entry_rules(&self) -> &'static [&'static str] {
        &["ema_cross_up", "ema_cross_down"]
    }

    fn warm_up_bars(&self) -> u32 {
        warm_up(self.slow.get()).max(self.stops.warm_up_bars())
    }

    fn features(&self) -> EmaAtrFeatures {
        EmaAtrFeatures {
            fast: Ema::new(self.fast),
            slow: Ema::new(self.slow),
            atr: self.stops.range(),
            fast_prev: f64::NAN,
            slow_prev: f64::NAN,
        }
    }

    #[inline]
    fn decide(
        &self,
        _: SlotTs,
        values: &EmaAtrValues,
        _: Option<i64>,
        held: Option<Side>,
    ) -> Intent {
        let [fast, slow, fast_prev, slow_prev, atr] = values.0;
        let (side, rule) = if fast_prev <= slow_prev && fast > slow {
            (Side::Long, "ema_cross_up")
        } else if fast_prev >= slow_prev && fast < slow {
            (Side::Short, "ema_cross_down")
        } else {
            return Intent::Hold("no_signal");
        };
        if !self.stops.allow(side) {
            let against = held == Some(side.opposite());
            return if against { Intent::Exit(rule) } else { Intent::Hold("no_signal") };
        }
        match self.stops.protection(atr) {
            Some(protection) => Intent::Enter(side, rule, protection),
            None => Intent::Hold("no_range"),
        }
    }

    fn overdue(&self, values: &EmaAtrValues, held: Side) -> Option<&'static str> {
        let [fast, slow, ..] = values.0;
        match held {
            Side::Long => (fast < slow).then_some("ema_cross_down"),
            Side::Short => (fast > slow).then_some("ema_cross_up"),
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

    const PARAMS: EmaAtrParams = EmaAtrParams { fast: 20, slow: 50, stops: StopsParams::SAMPLE };

    fn of_atr(atr: u32) -> StopsParams {
        StopsParams { atr, ..PARAMS.stops }
    }

    #[test]
    fn parameters_are_checked() {
        for (params, key) in [
            (EmaAtrParams { fast: 0, ..PARAMS }, "`fast`"),
            (EmaAtrParams { slow: 10_001, ..PARAMS }, "`slow`"),
            (EmaAtrParams { stops: of_atr(0), ..PARAMS }, "`atr`"),
            (EmaAtrParams { fast: 50, ..PARAMS }, "`fast` (50) must be shorter than `slow` (50)"),
        ] {
            let message = EmaAtr::new(params).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
    }

    #[test]
    fn the_warm_up_covers_the_slowest_average() {
        for (slow, atr, bars) in [(50, 14, 201), (21, 14, 109), (50, 30, 237)] {
            let strategy =
                EmaAtr::new(EmaAtrParams { slow, stops: of_atr(atr), ..PARAMS }).unwrap();
            assert_eq!(strategy.warm_up_bars(), bars);
        }
    }

    #[test]
    fn every_branch_of_the_rule() {
        let slot = Timeframe::M5.slot(300_000).unwrap();
        use Side::{Long, Short};
        let protection = Protection { stop: Some(8.0), target: Some(12.0), trail: None };
        let hold = Intent::Hold("no_signal");
        let up = Intent::Enter(Long, "ema_cross_up", protection);
        let down = Intent::Enter(Short, "ema_cross_down", protection);
        let (out_up, out_down) = (Intent::Exit("ema_cross_up"), Intent::Exit("ema_cross_down"));
        let (crossed_up, crossed_down) = ([2.0, 1.0, 1.0, 2.0], [1.0, 2.0, 2.0, 1.0]);
        for (sides, [fast, slow, fast_prev, slow_prev], held, expected) in [
            (Sides::Both, crossed_up, None, up),
            (Sides::Both, crossed_up, Some(Short), up),
            (Sides::Both, crossed_down, None, down),
            (Sides::Both, crossed_down, Some(Long), down),
            // From touching to above or below is a cross; from one side to touching is none.
            (Sides::Both, [2.0, 1.0, 1.0, 1.0], None, up),
            (Sides::Both, [1.0, 2.0, 1.0, 1.0], None, down),
            (Sides::Both, [1.0, 1.0, 1.0, 2.0], None, hold),
            (Sides::Both, [1.0, 1.0, 2.0, 1.0], None, hold),
            (Sides::Both, [1.0, 1.0, 1.0, 1.0], None, hold),
            (Sides::Both, [2.0, 1.0, 2.0, 1.0], Some(Long), hold),
            (Sides::Both, [1.0, 2.0, 1.0, 2.0], Some(Short), hold),
            (Sides::Both, [f64::NAN, 1.0, 1.0, 2.0], None, hold),
            (Sides::Long, crossed_up, None, up),
            (Sides::Long, crossed_down, Some(Long), out_down),
            (Sides::Long, crossed_down, None, hold),
            (Sides::Short, crossed_down, None, down),
            (Sides::Short, crossed_up, Some(Short), out_up),
            (Sides::Short, crossed_up, None, hold),
        ] {
            let strategy = EmaAtr::new(EmaAtrParams {
                stops: StopsParams { sides, ..PARAMS.stops },
                ..PARAMS
            })
            .unwrap();
            let values = EmaAtrValues([fast, slow, fast_prev, slow_prev, 4.0]);
            assert_eq!(
                strategy.decide(slot, &values, None, held),
                expected,
                "{sides:?} {values:?} {held:?}"
            );
        }
        let strategy = EmaAtr::new(PARAMS).unwrap();
        let without_range = EmaAtrValues([2.0, 1.0, 1.0, 2.0, 0.0]);
        assert_eq!(strategy.decide(slot, &without_range, None, None), Intent::Hold("no_range"));
    }

    #[test]
    fn the_features_are_the_indicators_and_their_last_values() {
        let strategy = EmaAtr::new(EmaAtrParams { fast: 1, slow: 2, stops: of_atr(1) }).unwrap();
        let mut features = strategy.features();
        let bar = |close: f64| Bar::new([close, close + 1.0, close - 1.0, close, 1.0]).unwrap();
        for close in [10.0, 12.0] {
            features.update(&bar(close));
        }
        let values = features.update(&bar(20.0));
        // Slow: seed (10 + 12) / 2 = 11, then 11 + (20 - 11) 2/3 = 17. True range: 21 - 12 = 9.
        assert_eq!(values.as_ref(), [20.0, 17.0, 12.0, 11.0, 9.0]);
        assert_eq!(values.as_ref().len(), strategy.feature_names().len());
    }

    #[test]
    fn all_features_are_finite_when_the_warm_up_ends() {
        let params = EmaAtrParams { fast: 1, slow: 2, stops: of_atr(1) };
        let strategy = EmaAtr::new(params).unwrap();
        let mut features = strategy.features();
        let bar = Bar::new([10.0, 11.0, 9.0, 10.0, 1.0]).unwrap();
        let bars = strategy.warm_up_bars();
        let last = (0..bars).map(|_| features.update(&bar)).last().unwrap();
        assert!(last.as_ref().iter().all(|x| x.is_finite()), "{last:?}");
    }
}
