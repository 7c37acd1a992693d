//! The step: one slot in, one decision and its trade events out. Pure; the same for live, backtest, restart and proof.

use super::{
    account::Book,
    anchor::{Anchored, Blocks, FeatureRow, Readiness},
    position::price_of,
    rules::{FillAt, Rules},
    slot::Slot,
    state::{Pending, State},
    strategy::{Intent, Protection, Strategy, Values},
};
use crate::domain::{
    bar::{TimedBar, hash_bars},
    decision::{Action, Block, Decision, Degraded, Limit, RiskState, Side, SkipReason},
    time::Timeframe,
    trade::{CloseReason, TradeEvent},
};

/// The immutable part of a run: strategy and rules.
#[derive(Debug, Clone)]
pub struct Core<S> {
    /// The strategy.
    pub strategy: S,
    /// The rules it is played by.
    pub rules: Rules,
}

/// A run fed bar by bar: the core, the features and the state.
#[derive(Clone)]
pub struct Engine<S: Strategy> {
    core: Core<S>,
    anchored: Anchored<S>,
    state: State,
}

impl<S: Strategy> Core<S> {
    /// How time is cut for this strategy on this grid.
    pub fn blocks(&self, timeframe: Timeframe) -> Blocks {
        Blocks::new(timeframe, self.strategy.warm_up_bars(), self.rules.cadence_bars)
    }

    /// One slot. `features` are those of the slot's own bar. Trade events are appended to `events`.
    ///
    /// The order inside a slot: commands; per bar, late ones first, (1) fill the pending order and (2) test stop and
    /// target; (3) features; (4) risk; (5) decide.
    pub fn step(
        &self,
        state: &mut State,
        slot: &Slot,
        features: Option<&FeatureRow<Values<S>>>,
        events: &mut Vec<TradeEvent>,
    ) -> Decision {
        assert_eq!(slot.bar().is_some(), features.is_some(), "features belong to a bar");
        let rules = &self.rules;
        state.obey(slot.orders());
        let book = &mut Book { rules, events };
        for late in slot.late() {
            state.pass(late.ts, &late.bar, book);
        }
        if let Some(bar) = slot.bar() {
            state.pass(slot.ts(), bar, book);
            state.mark(bar.close());
        }
        state.risk.check(slot.ts(), state.equity(), state.open_result, &rules.limits);
        let verdict = self.decide(state, slot, features);
        state.unasked = verdict.action == Action::Skip;
        if let (FillAt::Close, Some(bar)) = (rules.fill_at, slot.bar()) {
            state.fill_pending(slot.ts(), price_of(bar.close()), &mut Book { rules, events });
            state.mark(bar.close());
        }
        self.row(state, slot, features, &verdict)
    }

    /// Closes what is open after the last slot of a window, at the last known close, and returns the row of that slot as it then is.
    pub fn close_out(
        &self,
        state: &mut State,
        row: Decision,
        close: f64,
        events: &mut Vec<TradeEvent>,
    ) -> Decision {
        state.close_out(row.ts, close, &self.rules, events);
        Decision {
            position: state.side(),
            entry_px: state.entry_px(),
            stop_px: state.stop_px(),
            equity: state.equity(),
            state_hash: state.residual_hash(row.ts, &self.rules),
            ..row
        }
    }

    fn row(
        &self,
        state: &State,
        slot: &Slot,
        features: Option<&FeatureRow<Values<S>>>,
        verdict: &Verdict,
    ) -> Decision {
        let bar_hash = match slot.own() {
            Some(bar) if slot.late().is_empty() => Some(hash_bars(&[bar])),
            Some(_) => Some(hash_bars(&slot.bars().collect::<Vec<_>>())),
            None => None,
        };
        Decision {
            ts: slot.ts(),
            action: verdict.action,
            reason: verdict.reason,
            // After ruin every row says why nothing more is done.
            blocked_by: if state.latch() == Some(Limit::Ruin) {
                Some(Block::Risk(Limit::Ruin))
            } else {
                verdict.blocked_by
            },
            score: features.and_then(|row| row.score),
            position: state.side(),
            close: slot.bar().map(crate::domain::bar::Bar::close),
            entry_px: state.entry_px(),
            stop_px: state.stop_px(),
            equity: state.equity(),
            risk_state: state.risk_state(),
            bar_hash,
            feat_hash: features.and_then(|row| row.hash),
            state_hash: state.residual_hash(slot.ts(), &self.rules),
        }
    }

    fn decide(
        &self,
        state: &mut State,
        slot: &Slot,
        features: Option<&FeatureRow<Values<S>>>,
    ) -> Verdict {
        let Some(features) = features else {
            let cause = slot.degraded().unwrap_or(Degraded::BarMissing);
            return Verdict::skip(cause.reason());
        };
        if state.risk.flatten && state.side().is_some() {
            let rule = match state.latch() {
                Some(Limit::Ruin) => "ruin",
                _ => CloseReason::KillSwitch.name(),
            };
            return exit(state, CloseReason::KillSwitch, rule);
        }
        if state.risk.state == RiskState::Halted {
            return Verdict::skip(SkipReason::Halted);
        }
        if slot.degraded() == Some(Degraded::Downtime) {
            return Verdict::skip(SkipReason::Downtime);
        }
        match features.readiness {
            Readiness::Ready => {}
            Readiness::NotEnoughBars => return Verdict::skip(SkipReason::NotEnoughBars),
            Readiness::CadenceFailed => return Verdict::skip(SkipReason::CadenceFailed),
            Readiness::Invalid => return Verdict::skip(SkipReason::FeaturesInvalid),
        }
        let intent =
            self.strategy.decide(slot.ts(), &features.values, features.score, state.side());
        if let (Intent::Hold(_), Some(held), true) = (intent, state.side(), state.unasked)
            && let Some(rule) = self.strategy.overdue(&features.values, held)
        {
            return exit(state, CloseReason::ExitSignal, rule);
        }
        match intent {
            Intent::Exit(rule) if state.side().is_some() => {
                exit(state, CloseReason::ExitSignal, rule)
            }
            Intent::Hold(rule) | Intent::Exit(rule) => Verdict::of(Action::Hold, rule),
            Intent::Enter(side, rule, _) if state.side() == Some(side) => {
                Verdict::of(Action::Hold, rule)
            }
            Intent::Enter(side, rule, protection) => {
                self.enter(state, slot, (side, rule, protection))
            }
        }
    }

    /// An entry passes only if nothing vetoes it. A vetoed reversal still leaves the other side: exits are always allowed.
    fn enter(
        &self,
        state: &mut State,
        slot: &Slot,
        wanted: (Side, &'static str, Protection),
    ) -> Verdict {
        let (side, rule, protection) = wanted;
        let reversing = state.side().is_some();
        if slot.degraded() == Some(Degraded::CatchupNoEntry) {
            return if reversing {
                let verdict = exit(state, CloseReason::ExitSignal, rule);
                Verdict { blocked_by: Some(Block::CatchUp), ..verdict }
            } else {
                Verdict::skip(SkipReason::CatchupNoEntry)
            };
        }
        let block = state.risk.veto(slot.ts(), self.rules.notional, &self.rules.limits);
        if let Some(block) = block.or_else(|| self.rules.size_veto(state.equity())) {
            let verdict = if reversing {
                exit(state, CloseReason::ExitSignal, rule)
            } else {
                Verdict::of(Action::Hold, rule)
            };
            return Verdict { blocked_by: Some(block), ..verdict };
        }
        state.pending = Some(Pending::Enter { side, rule, protection });
        Verdict::of(Action::Enter(side), rule)
    }
}

impl<S: Strategy> Engine<S> {
    /// A run that has seen nothing yet.
    pub fn new(core: Core<S>, timeframe: Timeframe) -> Self {
        let anchored = Anchored::new(core.strategy.clone(), core.blocks(timeframe));
        let state = State::new(&core.rules);
        Self { core, anchored, state }
    }

    /// A run that goes on from a state. The features know of no bar yet.
    pub fn resume(core: Core<S>, timeframe: Timeframe, state: State) -> Self {
        Self { state, ..Self::new(core, timeframe) }
    }

    /// A warm-up bar: features take it in; nothing is decided, nothing is returned.
    pub fn warm(&mut self, bar: &TimedBar) {
        self.anchored.observe(bar);
    }

    /// One slot. Trade events are appended to `events`.
    pub fn step(&mut self, slot: &Slot, events: &mut Vec<TradeEvent>) -> Decision {
        for late in slot.late() {
            self.anchored.observe(late);
        }
        let features = slot.own().map(|bar| self.anchored.observe(&bar));
        self.core.step(&mut self.state, slot, features.as_ref(), events)
    }

    /// The lifecycle state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Strategy and rules.
    pub fn core(&self) -> &Core<S> {
        &self.core
    }
}

fn exit(state: &mut State, reason: CloseReason, rule: &'static str) -> Verdict {
    state.pending = Some(Pending::Exit(reason));
    Verdict::of(Action::Exit, rule)
}

struct Verdict {
    action: Action,
    reason: &'static str,
    blocked_by: Option<Block>,
}

impl Verdict {
    fn of(action: Action, reason: &'static str) -> Self {
        Self { action, reason, blocked_by: None }
    }

    fn skip(reason: SkipReason) -> Self {
        Self::of(Action::Skip, reason.name())
    }
}
