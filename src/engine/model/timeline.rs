//! Which model speaks when. A ledger begins with one; operator commands put others in its place, from a slot on.

use std::sync::Arc;

use thiserror::Error;

use super::{inputs::Feature, scored::Model};
use crate::domain::{
    ids::ModelId,
    time::{SlotTs, UtcMs},
};

/// A model that cannot speak in the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the model {id} sees {theirs}, the model {begun} sees {ours}: models of one ledger must see the same features"
)]
pub struct OtherFeatures {
    id: ModelId,
    theirs: String,
    begun: ModelId,
    ours: String,
}

/// A model, what it is known by, and the score from which it trades.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaker {
    /// Its id.
    pub id: ModelId,
    /// It can be asked.
    pub model: Arc<Model>,
    /// The score from which a long position is entered, in units of 1e-6; a short one at minus it.
    pub enter: i64,
}

/// The models of a ledger in the order in which they speak. All see the same features.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    first: Speaker,
    later: Vec<(UtcMs, Speaker)>,
}

impl Timeline {
    /// One model, always.
    pub const fn new(first: Speaker) -> Self {
        Self { first, later: Vec::new() }
    }

    /// From the first slot that closes at or after an instant, another one. Instants never decrease; of two at one instant the
    /// later one speaks.
    pub fn switch(&mut self, at: UtcMs, next: Speaker) -> Result<(), OtherFeatures> {
        assert!(self.later.last().is_none_or(|(last, _)| *last <= at), "switches are in order");
        self.admit(next.id, &next.model)?;
        self.later.push((at, next));
        Ok(())
    }

    /// Whether a model may be switched to.
    pub fn admit(&self, id: ModelId, model: &Model) -> Result<(), OtherFeatures> {
        if model.features() == self.features() {
            return Ok(());
        }
        let (theirs, ours) = (names(model.features()), names(self.features()));
        Err(OtherFeatures { id, theirs, begun: self.first.id, ours })
    }

    /// The one that speaks at a slot.
    #[inline]
    pub fn at(&self, ts: SlotTs) -> &Speaker {
        let due = self.later.partition_point(|(at, _)| *at <= ts.close());
        match due.checked_sub(1) {
            Some(last) => &self.later[last].1,
            None => &self.first,
        }
    }

    /// Whether a switch is known.
    pub fn holds(&self, at: UtcMs, id: ModelId) -> bool {
        self.later.iter().any(|(when, known)| *when == at && known.id == id)
    }

    /// The model it begins with.
    pub const fn first(&self) -> ModelId {
        self.first.id
    }

    /// The model that was switched to last.
    pub fn present(&self) -> ModelId {
        self.later.last().map_or(self.first.id, |(_, known)| known.id)
    }

    /// From when on it speaks; the epoch for the one it begins with.
    pub fn switched(&self) -> UtcMs {
        self.later.last().map_or(UtcMs::EPOCH, |(at, _)| *at)
    }

    /// What all of them see.
    pub fn features(&self) -> &[Feature] {
        self.first.model.features()
    }
}

fn names(features: &[Feature]) -> String {
    features.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::time::Timeframe,
        engine::model::{Activation, Dense, Network, Normaliser},
    };

    fn model(feature: &str, up: f32) -> Arc<Model> {
        let layer =
            Dense { inputs: 1, outputs: 3, weights: vec![0.0; 3], bias: vec![0.0, 0.0, up] };
        let network = Network::new(&[layer], Activation::Relu).unwrap();
        let normaliser = Normaliser::new(vec![0.0], vec![1.0], 1.0).unwrap();
        Arc::new(Model::new(vec![feature.parse().unwrap()], normaliser, network).unwrap())
    }

    fn speaker(n: u8, feature: &str, up: f32) -> Speaker {
        Speaker { id: id(n), model: model(feature, up), enter: i64::from(n) * 100 }
    }

    fn id(n: u8) -> ModelId {
        ModelId::of_digest([n; 32])
    }

    #[test]
    fn a_switch_counts_from_the_first_slot_at_or_after_it() {
        let at = |ms| UtcMs::new(ms).unwrap();
        let slot = |n: i64| Timeframe::M1.slot(n * 60_000).unwrap();
        let mut timeline = Timeline::new(speaker(1, "rsi(close, 14)", 1.0));
        timeline.switch(at(120_000), speaker(2, "rsi(close, 14)", 2.0)).unwrap();
        timeline.switch(at(180_001), speaker(3, "rsi(close, 14)", 3.0)).unwrap();
        timeline.switch(at(180_001), speaker(1, "rsi(close, 14)", 1.0)).unwrap();
        let up = |n| timeline.at(slot(n)).model.logits(&[0.0])[2];
        assert_eq!([1, 2, 3, 4].map(up), [1.0, 2.0, 2.0, 1.0]);
        assert_eq!([1, 2, 4].map(|n| timeline.at(slot(n)).enter), [100, 200, 100]);
        assert_eq!((timeline.first(), timeline.present()), (id(1), id(1)));
        assert!(timeline.holds(at(180_001), id(3)) && !timeline.holds(at(180_000), id(3)));
    }

    #[test]
    fn a_model_that_sees_something_else_is_refused() {
        let mut timeline = Timeline::new(speaker(1, "rsi(close, 14)", 1.0));
        let error = timeline.switch(UtcMs::EPOCH, speaker(2, "rsi(close, 15)", 1.0)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("sees rsi(close, 15), the model 010101010101 sees rsi(close, 14)"),
            "{error}"
        );
        assert_eq!(timeline.present(), id(1));
    }
}
