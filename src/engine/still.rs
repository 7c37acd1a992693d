//! Slots at which nothing happens but that the price moves: no rule has anything to say, and neither stop nor target is reached. Most slots
//! are like this. Whoever keeps no rows passes them here: with all that the step does at them, and without asking what it asks.

use super::{rules::Rules, state::State, step::Core};
use crate::{
    domain::{
        bar::Bar,
        decimal::float,
        decision::{RiskState, Side},
        money::Money,
        time::SlotTs,
    },
    language::Hush,
};

/// How much more than the last digit of money, 1e-8, is left as room.
const EQUITY_STEP: f64 = 1e-6;
/// How much more than the last bit of a float, as a part.
const EQUITY_PART: f64 = 1e-9;

/// How such slots of a strategy are seen.
#[derive(Debug, Clone)]
pub struct Still(Hush);

impl Core {
    /// How its still slots are seen; `None` where something has to be asked or remembered at every slot.
    pub fn still(&self) -> Option<Still> {
        let forgets = self.rules.limits.daily_loss_max.is_none();
        self.strategy.rules().hush().filter(|_| forgets).map(Still)
    }
}

impl Still {
    /// The place among the values of the one that is 0 where no rule has anything to say.
    pub const fn place(&self) -> usize {
        self.0.place
    }

    /// Whether slots may be still behind one that was decided and at which nothing was traded.
    pub fn may_follow(&self, state: &State) -> bool {
        let is_active = state.risk.state == RiskState::Active && !state.risk.flatten;
        is_active && state.pending.is_none() && !state.unasked && self.0.says_nothing(state.side())
    }

    /// Takes over what the state remembers of the last slot that was passed: its close, which counts at a slot without a bar, and by
    /// `value` its values.
    pub fn passed(&self, state: &mut State, close: f64, value: impl Fn(usize) -> f64) {
        state.mark(close);
        state.stood = self.0.standing(value);
    }
}

impl State {
    /// Lets a bar pass an open position; false, and nothing is changed, where the step has more to do: at a stop or a target, and where
    /// the stop moves.
    #[inline]
    pub fn drifts(&mut self, bar: &Bar, rules: &Rules) -> bool {
        self.position.as_mut().is_none_or(|held| held.drifts(bar, rules.stop_fill))
    }

    /// Between which closes the equity of the open position stays between two others that it lies between, given what it is at one close. It
    /// falls and rises with the close, and what it is rounded to is left as much room as would be seen.
    pub fn closes(&self, (close, equity): (f64, f64), [low, high]: [f64; 2]) -> [f64; 2] {
        let Some(held) = &self.position else { return [close, close] };
        let room = EQUITY_STEP + equity.abs() * EQUITY_PART;
        let quantity = float(held.qty().get());
        let (fall, rise) = match held.side {
            Side::Long => (equity - low, high - equity),
            Side::Short => (high - equity, equity - low),
        };
        let [fall, rise] = [fall, rise].map(|way| ((way - room) / quantity).max(0.0));
        [close - fall, close + rise]
    }

    /// The equity at a close; `None` where a limit trips there, which the step then sees too.
    #[inline]
    pub fn marked(&mut self, (ts, close): (SlotTs, f64), rules: &Rules) -> Option<Money> {
        self.mark(close);
        let equity = self.equity();
        self.risk.check(ts, equity, self.open_result, &rules.limits);
        (self.risk.state == RiskState::Active).then_some(equity)
    }
}
