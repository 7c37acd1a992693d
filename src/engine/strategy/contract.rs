//! What a strategy is: features computed from bars since an anchor, and a rule without memory over them.

use crate::domain::{bar::Bar, command::Command, decision::Side, time::SlotTs};

/// The running indicators of a strategy, started fresh at an anchor. Values may be NaN until the warm-up length is reached.
pub trait Features: Clone + Send {
    /// The feature vector at one slot.
    type Values: AsRef<[f64]> + Copy + Send + Sync;

    /// Takes in the next bar and returns the features at its close.
    fn update(&mut self, bar: &Bar) -> Self::Values;
}

/// Values of a strategy's feature vector.
pub type Values<S> = <<S as Strategy>::Features as Features>::Values;

/// A rule that maps features and the side held to an intent. It has no state: whatever must be remembered is in the ledger.
pub trait Strategy: Clone + Send + Sync {
    /// Its indicators.
    type Features: Features;

    /// How manifests and ledgers call it.
    const NAME: &'static str;

    /// Names of the features, in the order of the vector.
    fn feature_names(&self) -> Vec<String>;

    /// Names of the rules that enter: what a saved state names one by.
    fn entry_rules(&self) -> &'static [&'static str];

    /// Bars since the anchor before the features are meaningful.
    fn warm_up_bars(&self) -> u32;

    /// Indicators in their starting state.
    fn features(&self) -> Self::Features;

    /// What a model makes of the features of this slot, in units of 1e-6; `None` for a rule without a model.
    fn score(&self, _ts: SlotTs, _values: &Values<Self>) -> Option<i64> {
        None
    }

    /// Whether it has what an operator's command asks of it, such as the model that is switched to.
    fn knows(&self, _command: &Command) -> bool {
        true
    }

    /// The rule by which a position on this side should have been left already, by how the features stand now. It is asked at the
    /// first slot that is decided again, behind slots at which [`Strategy::decide`] was not asked: an exit that is an event, such as
    /// a cross, may have come and gone there. `None` where all exits are states, which `decide` sees by itself.
    fn overdue(&self, _values: &Values<Self>, _held: Side) -> Option<&'static str> {
        None
    }

    /// What the rule wants at the close of a slot. The score is that of [`Strategy::score`].
    fn decide(
        &self,
        ts: SlotTs,
        values: &Values<Self>,
        score: Option<i64>,
        held: Option<Side>,
    ) -> Intent;
}

/// What a strategy wants. The text is the name of the rule that fired.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Intent {
    /// Nothing.
    Hold(&'static str),
    /// Hold this side, reversing if the other side is held. The engine ignores it while that side is held already.
    Enter(Side, &'static str, Protection),
    /// Be flat.
    Exit(&'static str),
}

/// Distances from the entry price, in quote currency per unit; positive when present.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Protection {
    /// Of the protective stop.
    pub stop: Option<f64>,
    /// Of the profit target.
    pub target: Option<f64>,
    /// Of the trailing stop, behind the best price since entry.
    pub trail: Option<f64>,
}
