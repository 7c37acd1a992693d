//! Following a model: in when its score passes a threshold, out when the score has faded; the ATR sets the distances of stop,
//! target and trailing stop.

use super::{
    contract::{Features, Intent, Strategy},
    params::StrategyError,
    stops::{Stops, StopsParams},
};
use crate::{
    domain::{bar::Bar, command::Command, decision::Side, time::SlotTs},
    engine::{
        indicators::atr::Atr,
        model::{RunningFeatures, Timeline, Vector},
    },
};

/// Unchecked parameters of [`ByScore`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByScoreParams {
    /// The score below which a long position is left; a short one above minus it.
    pub exit: i64,
    /// Its stops, and the sides it may be on.
    pub stops: StopsParams,
}

/// Enters by the score of a model. Between the two thresholds it holds what it has.
#[derive(Debug, Clone, PartialEq)]
pub struct ByScore {
    models: Timeline,
    exit: i64,
    stops: Stops,
}

impl ByScore {
    /// Checks the parameters.
    pub fn new(models: Timeline, params: ByScoreParams) -> Result<Self, StrategyError> {
        let ByScoreParams { exit, stops } = params;
        let crossed = |enter: &i64| !(*enter > 0 && -enter < exit && exit <= *enter);
        if let Some(enter) = models.all().map(|speaker| speaker.enter).find(crossed) {
            return Err(StrategyError::Scores { enter, exit });
        }
        Ok(Self { models, exit, stops: Stops::new(stops)? })
    }

    /// The models it follows.
    pub fn models(&self) -> &Timeline {
        &self.models
    }

    /// The side a score points to, if that side is allowed.
    fn wanted(&self, ts: SlotTs, score: i64) -> Option<(Side, &'static str)> {
        let enter = self.models.at(ts).enter;
        let (side, rule) = if score >= enter {
            (Side::Long, "score_above_enter")
        } else if score <= -enter {
            (Side::Short, "score_below_enter")
        } else {
            return None;
        };
        self.stops.allow(side).then_some((side, rule))
    }

    /// Whether what a position was entered for is gone.
    fn faded(&self, score: i64, side: Side) -> bool {
        match side {
            Side::Long => score < self.exit,
            Side::Short => score > -self.exit,
        }
    }
}

/// The indicators of [`ByScore`]: those of the model, then the ATR.
#[derive(Debug, Clone)]
pub struct ByScoreFeatures {
    seen: RunningFeatures,
    atr: Atr,
}

impl Features for ByScoreFeatures {
    type Values = Vector;

    #[inline]
    fn update(&mut self, bar: &Bar) -> Vector {
        let mut values = self.seen.update(bar);
        values.push(self.atr.update(bar));
        values
    }
}

impl Strategy for ByScore {
    type Features = ByScoreFeatures;

    const NAME: &'static str = "model";

    fn feature_names(&self) -> Vec<String> {
        let seen = self.models.features().iter().map(ToString::to_string);
        seen.chain(["atr".to_owned()]).collect()
    }

    fn entry_rules(&self) -> &'static [&'static str] {
        &["score_above_enter", "score_below_enter"]
    }

    fn warm_up_bars(&self) -> u32 {
        self.models.warm_up_bars().max(self.stops.warm_up_bars())
    }

    fn features(&self) -> ByScoreFeatures {
        ByScoreFeatures {
            seen: RunningFeatures::new(self.models.features()),
            atr: self.stops.range(),
        }
    }

    #[inline]
    fn score(&self, ts: SlotTs, values: &Vector) -> Option<i64> {
        let seen = self.models.features().len();
        Some(self.models.at(ts).model.score(&values.as_ref()[..seen]))
    }

    fn knows(&self, command: &Command) -> bool {
        command.order.model().is_none_or(|id| self.models.holds(command.at, id))
    }

    /// A score beyond a threshold enters or reverses; else a faded one leaves; else what is held is held.
    #[inline]
    fn decide(
        &self,
        ts: SlotTs,
        values: &Vector,
        score: Option<i64>,
        held: Option<Side>,
    ) -> Intent {
        let Some(score) = score else { return Intent::Hold("no_signal") };
        let wanted = self.wanted(ts, score);
        let range = values.as_ref().last().copied().unwrap_or(f64::NAN);
        if let Some((side, rule)) = wanted
            && let Some(protection) = self.stops.protection(range)
        {
            return Intent::Enter(side, rule, protection);
        }
        match held {
            Some(side) if self.faded(score, side) => Intent::Exit("score_faded"),
            Some(_) => Intent::Hold("score_holds"),
            None if wanted.is_some() => Intent::Hold("no_range"),
            None => Intent::Hold("no_signal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::{model_id::ModelId, time::Timeframe},
        engine::{
            indicators::{length::Length, sample},
            model::{Activation, Dense, Model, Network, Normaliser, Speaker},
            strategy::{contract::Protection, stops::Sides},
        },
    };

    const PARAMS: ByScoreParams = ByScoreParams { exit: 50, stops: StopsParams::SAMPLE };
    const ENTER: i64 = 200;

    fn of_atr(atr: u32) -> StopsParams {
        StopsParams { atr, ..PARAMS.stops }
    }

    fn slot() -> SlotTs {
        Timeframe::M5.slot(300_000).unwrap()
    }

    fn models(feature: &str, enter: i64) -> Timeline {
        let layer =
            Dense { inputs: 1, outputs: 3, weights: vec![0.0, 0.0, 1.0], bias: vec![0.0; 3] };
        let network = Network::new(&[layer], Activation::Relu).unwrap();
        let normaliser = Normaliser::new(vec![0.0], vec![1.0], 9.0).unwrap();
        let model = Model::new(vec![feature.parse().unwrap()], normaliser, network).unwrap();
        let id = ModelId::of_digest([7; 32]);
        Timeline::new(Speaker { id, model: Arc::new(model), enter })
    }

    fn values(numbers: [f64; 2]) -> Vector {
        let mut vector = Vector::EMPTY;
        for x in numbers {
            vector.push(x);
        }
        vector
    }

    #[test]
    fn parameters_are_checked() {
        for (enter, params, key) in [
            (0, ByScoreParams { exit: 0, ..PARAMS }, "scores"),
            (i64::MIN, PARAMS, "scores"),
            (ENTER, ByScoreParams { exit: 201, ..PARAMS }, "scores"),
            (ENTER, ByScoreParams { exit: -200, ..PARAMS }, "scores"),
            (ENTER, ByScoreParams { exit: i64::MIN, ..PARAMS }, "scores"),
            (ENTER, ByScoreParams { stops: of_atr(0), ..PARAMS }, "`atr`"),
        ] {
            let message = ByScore::new(models("rsi_14", enter), params).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
        for exit in [-199, 0, 200] {
            ByScore::new(models("rsi_14", ENTER), ByScoreParams { exit, ..PARAMS }).unwrap();
        }
    }

    #[test]
    fn every_branch_of_the_rule() {
        use Side::{Long, Short};
        let protection = Protection { stop: Some(8.0), target: Some(12.0), trail: None };
        let buy = Intent::Enter(Long, "score_above_enter", protection);
        let sell = Intent::Enter(Short, "score_below_enter", protection);
        let (none, stays) = (Intent::Hold("no_signal"), Intent::Hold("score_holds"));
        let exit = Intent::Exit("score_faded");
        for (sides, score, held, expected) in [
            (Sides::Both, 200, None, buy),
            (Sides::Both, 199, None, none),
            (Sides::Both, -199, None, none),
            (Sides::Both, -200, None, sell),
            (Sides::Both, i64::MAX, None, buy),
            (Sides::Both, i64::MIN, None, sell),
            // Between the thresholds a position is held.
            (Sides::Both, 200, Some(Long), buy),
            (Sides::Both, 199, Some(Long), stays),
            (Sides::Both, 50, Some(Long), stays),
            (Sides::Both, 49, Some(Long), exit),
            (Sides::Both, -199, Some(Long), exit),
            (Sides::Both, -200, Some(Long), sell),
            (Sides::Both, -50, Some(Short), stays),
            (Sides::Both, -49, Some(Short), exit),
            (Sides::Both, 200, Some(Short), buy),
            // One side only: the other side's score is no signal, and ends a position.
            (Sides::Long, -200, None, none),
            (Sides::Long, -200, Some(Long), exit),
            (Sides::Short, 200, None, none),
            (Sides::Short, 200, Some(Short), exit),
            (Sides::Short, -200, None, sell),
        ] {
            let strategy = ByScore::new(
                models("rsi_14", ENTER),
                ByScoreParams { stops: StopsParams { sides, ..PARAMS.stops }, ..PARAMS },
            )
            .unwrap();
            let got = strategy.decide(slot(), &values([0.0, 4.0]), Some(score), held);
            assert_eq!(got, expected, "{sides:?} {score} {held:?}");
        }
        let strategy = ByScore::new(models("rsi_14", ENTER), PARAMS).unwrap();
        let decide = |score, held| strategy.decide(slot(), &values([0.0, 0.0]), score, held);
        assert_eq!(decide(Some(200), None), Intent::Hold("no_range"));
        assert_eq!(decide(Some(-200), Some(Long)), exit, "what cannot be reversed is left");
        assert_eq!(decide(None, None), none, "without a score nothing is wanted");
    }

    #[test]
    fn each_model_trades_from_its_own_score() {
        let mut models = models("rsi_14", ENTER);
        let (id, model) = (ModelId::of_digest([8; 32]), Arc::clone(&models.at(slot()).model));
        models.switch(slot().next().close(), Speaker { id, model, enter: 300 }).unwrap();
        let strategy = ByScore::new(models.clone(), PARAMS).unwrap();
        let decide = |ts| strategy.decide(ts, &values([0.0, 4.0]), Some(250), None);
        assert!(matches!(decide(slot()), Intent::Enter(Side::Long, ..)));
        assert_eq!(decide(slot().next()), Intent::Hold("no_signal"));
        let between = ByScoreParams { exit: 250, ..PARAMS };
        assert!(ByScore::new(models, between).is_err(), "the first one trades from 200");
    }

    #[test]
    fn it_sees_the_features_of_its_model_and_the_range() {
        let strategy = ByScore::new(
            models("log_return_3", ENTER),
            ByScoreParams { stops: of_atr(2), ..PARAMS },
        )
        .unwrap();
        assert_eq!(strategy.feature_names(), ["log_return_3", "atr"]);
        assert_eq!(strategy.warm_up_bars(), 13, "the slower of the two");
        let mut features = strategy.features();
        let mut atr = Atr::new(Length::new(2).unwrap());
        let last = sample::bars().map(|bar| (features.update(&bar), atr.update(&bar))).last();
        let (values, range) = last.unwrap();
        assert_eq!(values.as_ref()[1], range);
        let expected = (values.as_ref()[0] * 1e6).round_ties_even() as i64;
        assert_eq!(strategy.score(slot(), &values), Some(expected));
    }
}
