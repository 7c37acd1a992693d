//! The step: one slot in, one decision and its trade events out. Pure; the same for live, backtest, restart and proof.

use rust_decimal::Decimal;

use super::{
    account::FillContext,
    anchor::{Anchored, Blocks, FeatureRow, Readiness},
    position::price_of,
    rules::{FillAt, Rules},
    slot::Slot,
    state::{Pending, State},
    strategy::Strategy,
};
use crate::{
    domain::{
        bar::{Bar, TimedBar, hash_bar, hash_bars},
        decision::{
            Action, Block, CloseReason, Decision, Degraded, Limit, Reason, RiskState, Side,
            SkipReason, TradeEvent,
        },
        money::Money,
        time::{SlotTs, Timeframe},
    },
    language::{
        DecisionInputs, Intent, LedgerState, NO_SIGNAL, Protection, SizeMode, SizeRule, SlotValue,
        Why,
    },
};

/// The immutable part of a run: strategy and rules.
#[derive(Debug, Clone)]
pub struct Core {
    /// The strategy.
    pub strategy: Strategy,
    /// The rules it is played by.
    pub rules: Rules,
}

/// What rules see at a slot.
#[derive(Debug, Clone)]
pub struct SlotView {
    /// Whether the features may be used.
    pub readiness: Readiness,
    /// Every clause of every rule.
    pub why: Why,
    /// What they are made of, by name.
    pub features: Vec<(String, f64)>,
    /// What they may ask of the ledger.
    pub ledger: LedgerState,
    /// What a model says, in units of 1e-6.
    pub score: Option<i64>,
    /// The score from which the model trades, in units of 1e-6.
    pub threshold: Option<i64>,
    /// What was filled in the bar, before the rules were asked.
    pub events: Vec<TradeEvent>,
    /// How large the position would be that the rules want to enter.
    pub size: Option<SizeView>,
}

/// The size of an entry, in the quote currency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizeView {
    /// The value that `[strategy.size]` asks for.
    pub asked: Money,
    /// The largest that cash and limits allow.
    pub allowed: Money,
}

/// A slot at which the rules are asked.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    core: &'a Core,
    state: &'a State,
    slot: &'a Slot,
    bar: &'a Bar,
    features: &'a FeatureRow<'a>,
}

impl<'a> Moment<'a> {
    /// What they are asked with. At most slots nothing has to look at it.
    #[inline]
    pub fn inputs(&self) -> DecisionInputs<'a> {
        let seen = (self.slot.ts(), self.slot.signals());
        self.core.inputs(self.state, seen, self.bar, self.features)
    }
}

/// A run fed bar by bar: the core, the features and the state.
#[derive(Clone)]
pub struct Engine {
    core: Core,
    anchored: Anchored,
    state: State,
}

impl Core {
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
        features: Option<&FeatureRow<'_>>,
        events: &mut Vec<TradeEvent>,
    ) -> Decision {
        self.step_watched(state, (slot, features), events, &mut |_, _| {})
    }

    /// The same; `watch` is shown what the rules are asked with, where they are asked, and what they want.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a row is made where it stays: moved, it costs as much as a hash"
    )]
    pub fn step_watched(
        &self,
        state: &mut State,
        (slot, features): (&Slot, Option<&FeatureRow<'_>>),
        events: &mut Vec<TradeEvent>,
        watch: &mut impl FnMut(&Moment<'_>, &Intent),
    ) -> Decision {
        let (verdict, equity) = self.act(state, (slot, features), events, watch);
        self.row(state, (slot, features), &verdict, equity)
    }

    /// The same without its row, for whoever keeps no ledger: what blocked an entry, if something did.
    pub fn step_unwritten(
        &self,
        state: &mut State,
        (slot, features): (&Slot, Option<&FeatureRow<'_>>),
        events: &mut Vec<TradeEvent>,
    ) -> Option<Block> {
        self.act(state, (slot, features), events, &mut |_, _| {}).0.blocked_by
    }

    /// All that a slot does: what was decided, and the equity.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it is a part of the step, which has one caller in a run"
    )]
    fn act(
        &self,
        state: &mut State,
        (slot, features): (&Slot, Option<&FeatureRow<'_>>),
        events: &mut Vec<TradeEvent>,
        watch: &mut impl FnMut(&Moment<'_>, &Intent),
    ) -> (Verdict, Money) {
        assert_eq!(slot.bar().is_some(), features.is_some(), "features belong to a bar");
        let mut equity = self.arrive(state, slot, events);
        let rules = &self.rules;
        let verdict = self.decide(state, slot, features, watch);
        state.unasked = verdict.action == Action::Skip;
        if let (FillAt::Close, Some(bar)) = (rules.fill_at, slot.bar()) {
            state.fill_pending(
                slot.ts(),
                price_of(bar.close()),
                &mut FillContext { rules, events },
            );
            state.mark(bar.close());
            equity = state.equity();
        }
        (verdict, equity)
    }

    /// Everything of a slot that comes before its decision; gives the equity.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it is a part of the step, which has one caller in a run"
    )]
    fn arrive(&self, state: &mut State, slot: &Slot, events: &mut Vec<TradeEvent>) -> Money {
        let rules = &self.rules;
        if !slot.orders().is_empty() {
            state.obey(slot.orders());
        }
        let book = &mut FillContext { rules, events };
        for late in slot.late() {
            state.pass(late.ts, &late.bar, book);
        }
        if let Some(bar) = slot.bar() {
            state.pass(slot.ts(), bar, book);
            state.mark(bar.close());
        }
        let equity = state.equity();
        state.risk.check(slot.ts(), equity, state.open_result, &rules.limits);
        equity
    }

    /// Closes what is open after the last slot of a window, at the last known close, and returns the row of that slot as it then is.
    pub fn close_out(
        &self,
        state: &mut State,
        row: Decision,
        close: f64,
        events: &mut Vec<TradeEvent>,
    ) -> Decision {
        self.close_out_unwritten(state, (row.ts, close), events);
        Decision {
            position: state.side(),
            entry_px: state.entry_px(),
            stop_px: state.stop_px(),
            equity: state.equity(),
            state_hash: state.residual_hash(row.ts, &self.rules, self.counts_exit()),
            ..row
        }
    }

    /// The same without its row.
    pub fn close_out_unwritten(
        &self,
        state: &mut State,
        (ts, close): (SlotTs, f64),
        events: &mut Vec<TradeEvent>,
    ) {
        state.close_out(ts, close, &self.rules, events);
    }

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it is a part of the step, which has one caller in a run"
    )]
    fn row(
        &self,
        state: &mut State,
        (slot, features): (&Slot, Option<&FeatureRow<'_>>),
        verdict: &Verdict,
        equity: Money,
    ) -> Decision {
        let bar_hash = match slot.bar() {
            Some(bar) if slot.late().is_empty() => Some(hash_bar(slot.ts(), bar)),
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
            equity,
            risk_state: state.risk_state(),
            bar_hash,
            feat_hash: features.and_then(|row| row.hash),
            state_hash: state.residual_hash_kept(slot.ts(), &self.rules, self.counts_exit()),
        }
    }

    #[inline]
    fn decide(
        &self,
        state: &mut State,
        slot: &Slot,
        features: Option<&FeatureRow<'_>>,
        watch: &mut impl FnMut(&Moment<'_>, &Intent),
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
            return exit(state, CloseReason::KillSwitch, Reason::new(rule));
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
        }
        let bar = slot.bar().expect("features belong to a bar");
        let moment = Moment { core: self, state, slot, bar, features };
        let program = self.strategy.rules();
        let intent = if program.is_silent(state.side(), features.values) {
            Intent::Hold(NO_SIGNAL)
        } else {
            program.decide(&moment.inputs())
        };
        watch(&moment, &intent);
        let stands = program.standing_of(features.values);
        let stands = stands.unwrap_or_else(|| program.standing(&moment.inputs()));
        let stood = std::mem::replace(&mut state.stood, stands);
        // Behind slots at which no rule was asked, an exit that is an event may have come and gone.
        if let (Intent::Hold(_) | Intent::Skip, Some(side), true) =
            (intent, state.side(), state.unasked)
            && let Some(rule) = program.overdue(side, stands & !stood)
        {
            return exit(state, CloseReason::ExitSignal, rule);
        }
        match intent {
            Intent::Skip => Verdict::skip(SkipReason::FeaturesInvalid),
            Intent::Hold(rule) => Verdict::of(Action::Hold, rule),
            Intent::Exit(rule) => exit(state, CloseReason::ExitSignal, rule),
            Intent::Enter(side, rule, protection) => {
                self.enter(state, slot, bar.close(), (side, rule, protection))
            }
        }
    }

    /// Whether a rule counts the slots since the last exit.
    fn counts_exit(&self) -> bool {
        self.strategy.rules().reads(SlotValue::BarsSinceExit)
    }

    /// What the rules are asked with, at a slot and what programs say there.
    #[inline]
    pub fn inputs<'v>(
        &self,
        state: &State,
        (ts, signals): (SlotTs, &'v [f64]),
        bar: &'v Bar,
        features: &FeatureRow<'v>,
    ) -> DecisionInputs<'v> {
        DecisionInputs {
            ts,
            bar,
            values: features.values,
            score: features.score,
            threshold: features.score.and_then(|_| self.strategy.threshold(ts)),
            signals,
            ledger: state.ledger(ts),
        }
    }

    /// An entry passes only if nothing vetoes it. A vetoed reversal still leaves the other side: exits are always allowed.
    fn enter(
        &self,
        state: &mut State,
        slot: &Slot,
        close: f64,
        (side, rule, protection): (Side, Reason, Protection),
    ) -> Verdict {
        let reversing = state.side().is_some();
        if slot.degraded() == Some(Degraded::CatchupNoEntry) {
            return if reversing {
                let verdict = exit(state, CloseReason::ExitSignal, rule);
                Verdict { blocked_by: Some(Block::CatchUp), ..verdict }
            } else {
                Verdict::skip(SkipReason::CatchupNoEntry)
            };
        }
        let value = self.value(state.equity(), close, &protection);
        let block = state.risk.veto(slot.ts(), value, &self.rules.limits);
        if let Some(block) = block.or_else(|| self.rules.size_veto(value, state.equity())) {
            let verdict = if reversing {
                exit(state, CloseReason::ExitSignal, rule)
            } else {
                Verdict::of(Action::Hold, rule)
            };
            return Verdict { blocked_by: Some(block), ..verdict };
        }
        state.pending = Some(Pending::Enter { side, rule, value, protection });
        Verdict::of(Action::Enter(side), rule)
    }

    /// What a position will be worth, decided at a close with this equity.
    fn value(&self, equity: Money, close: f64, protection: &Protection) -> Money {
        let SizeRule { mode, max_notional } = self.strategy.rules().size();
        let value = match mode {
            SizeMode::Fixed => self.rules.notional,
            SizeMode::Percent(percent) => self.rules.share(equity, *percent, Decimal::ONE),
            SizeMode::Risk(percent) => {
                let close = price_of(close);
                let distance = protection.first_stop().and_then(|stop| close.distance(stop));
                let times = distance.and_then(|stop| close.get().checked_div(stop));
                self.rules.share(equity, *percent, times.unwrap_or(Decimal::MAX))
            }
        };
        max_notional.map_or(value, |most| value.min(Money::new(most)))
    }
}

impl Engine {
    /// A run that has seen nothing yet.
    pub fn new(core: Core, timeframe: Timeframe) -> Self {
        let anchored = Anchored::new(core.strategy.clone(), core.blocks(timeframe));
        let state = State::new(&core.rules);
        Self { core, anchored, state }
    }

    /// A run that goes on from a state. The features know of no bar yet.
    pub fn resume(core: Core, timeframe: Timeframe, state: State) -> Self {
        Self { state, ..Self::new(core, timeframe) }
    }

    /// A warm-up bar: features take it in; nothing is decided, nothing is returned.
    pub fn warm(&mut self, bar: &TimedBar) {
        self.anchored.observe(bar);
    }

    /// One slot. Trade events are appended to `events`.
    pub fn step(&mut self, slot: &Slot, events: &mut Vec<TradeEvent>) -> Decision {
        self.step_watched(slot, events, &mut |_, _| {})
    }

    /// The same; `watch` is shown what the rules are asked with, where they are asked, and what they want.
    pub fn step_watched(
        &mut self,
        slot: &Slot,
        events: &mut Vec<TradeEvent>,
        watch: &mut impl FnMut(&Moment<'_>, &Intent),
    ) -> Decision {
        for late in slot.late() {
            self.anchored.observe(late);
        }
        let features = slot.own().map(|bar| self.anchored.observe(&bar));
        self.core.step_watched(&mut self.state, (slot, features.as_ref()), events, watch)
    }

    /// What the rules see at a slot that is not decided yet; `None` without its bar. Nothing is changed.
    pub fn look(&self, slot: &Slot) -> Option<SlotView> {
        let own = slot.own()?;
        let Self { core, mut anchored, mut state } = self.clone();
        for late in slot.late() {
            anchored.observe(late);
        }
        let features = anchored.observe(&own);
        let mut events = Vec::new();
        core.arrive(&mut state, slot, &mut events);
        let inputs = core.inputs(&state, (slot.ts(), slot.signals()), &own.bar, &features);
        let program = core.strategy.rules();
        let names = program.features().names().iter().cloned();
        let why = program.why(&inputs);
        let size = match &why.intent {
            Intent::Enter(.., protection) => {
                let (equity, close) = (state.equity(), own.bar.close());
                let asked = core.value(equity, close, protection);
                Some(SizeView { asked, allowed: core.rules.value_max(equity) })
            }
            Intent::Skip | Intent::Hold(_) | Intent::Exit(_) => None,
        };
        Some(SlotView {
            readiness: features.readiness,
            why,
            size,
            features: names.zip(features.values.iter().copied()).collect(),
            ledger: inputs.ledger,
            score: inputs.score,
            threshold: inputs.threshold,
            events,
        })
    }

    /// The lifecycle state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Strategy and rules.
    pub fn core(&self) -> &Core {
        &self.core
    }
}

fn exit(state: &mut State, reason: CloseReason, rule: Reason) -> Verdict {
    state.pending = Some(Pending::Exit(reason));
    Verdict::of(Action::Exit, rule)
}

struct Verdict {
    action: Action,
    reason: Reason,
    blocked_by: Option<Block>,
}

impl Verdict {
    fn of(action: Action, reason: Reason) -> Self {
        Self { action, reason, blocked_by: None }
    }

    fn skip(reason: SkipReason) -> Self {
        Self::of(Action::Skip, Reason::new(reason.name()))
    }
}
