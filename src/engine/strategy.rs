//! What trades: a program of rules, and the models it follows where it reads a score.

use crate::{
    domain::{command::Command, time::SlotTs},
    language::{self, Features},
};

use super::{
    model::{Feature, Timeline},
    signals::Signals,
};

/// The one kind of strategy: rules over features, without memory. Whatever must be remembered is in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    rules: language::CheckedStrategy,
    models: Option<Timeline>,
    signals: Signals,
}

impl Strategy {
    /// Rules, with the models they follow. The features of the models are the first ones of the rules.
    pub fn new(rules: language::CheckedStrategy, models: Option<Timeline>) -> Self {
        let seen = models.iter().flat_map(Timeline::features).map(Feature::as_str);
        let first = rules.features().names().iter().map(String::as_str);
        assert!(
            first.zip(seen).all(|(ours, theirs)| ours == theirs),
            "models see what comes first"
        );
        Self { rules, models, signals: Signals::default() }
    }

    /// The same with how its signals are read, in the order of the rules.
    pub fn hearing(self, signals: Signals) -> Self {
        let names = signals.rules().map(|rule| &rule.name);
        assert!(names.eq(self.rules.signals()), "each signal that is read, and no other");
        Self { signals, ..self }
    }

    /// The signals it reads, without a line.
    pub const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The rules.
    pub const fn rules(&self) -> &language::CheckedStrategy {
        &self.rules
    }

    /// The models it follows.
    pub const fn models(&self) -> Option<&Timeline> {
        self.models.as_ref()
    }

    /// What it sees of the bars.
    pub fn features(&self) -> &Features {
        self.rules.features()
    }

    /// Bars since the anchor before the features are meaningful.
    pub fn warm_up_bars(&self) -> u32 {
        self.rules.warm_up_bars()
    }

    /// What a model makes of the features of this slot, in units of 1e-6; `None` without a model, and where one of its features is
    /// unknown.
    #[inline]
    pub fn score(&self, ts: SlotTs, values: &[f64]) -> Option<i64> {
        self.models.as_ref().and_then(|models| Self::score_by(models, ts, values))
    }

    /// Apart, so that rules without a model do not carry its room along.
    #[inline(never)]
    fn score_by(models: &Timeline, ts: SlotTs, values: &[f64]) -> Option<i64> {
        let seen = &values[..models.features().len()];
        seen.iter().all(|value| value.is_finite()).then(|| models.at(ts).model.score(seen))
    }

    /// The score from which the model that speaks at this slot trades, in units of 1e-6; `None` without a model.
    pub fn threshold(&self, ts: SlotTs) -> Option<i64> {
        self.models.as_ref().map(|models| models.at(ts).enter)
    }

    /// Whether it has what an operator's command asks of it: the model that is switched to.
    pub fn knows(&self, command: &Command) -> bool {
        match (&self.models, command.order.model()) {
            (Some(models), Some(id)) => models.holds(command.at, id),
            (Some(_) | None, _) => true,
        }
    }
}
