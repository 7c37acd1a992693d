//! The part of a strategy that is evaluated slot by slot: from the feature vector, the bar and the ledger to what a rule says.
//! Whatever of it depends on bars alone is worked out ahead, over runs of bars, with the features.

use std::collections::BTreeMap;

use super::{
    bounds::Bounds,
    check::{Checked, CheckedRule, Lets},
    functions::Back,
    op::Op,
    problem::RuleProblem,
    reach::Reach,
    rule::Kind,
    term::{Call, Exact, Term, Type, Unit, What},
    values::{self, Clock, SlotValue},
};
use crate::domain::{
    bar::Bar,
    decision::Side,
    money::{Money, Price},
    time::SlotTs,
};

/// The longest time since an exit that is counted, in slots; also what is said before the first exit.
pub const BARS_SINCE_EXIT_MAX: u32 = 10_000;

/// All that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct DecisionInputs<'a> {
    /// The slot.
    pub ts: SlotTs,
    /// Its bar.
    pub bar: &'a Bar,
    /// The feature vector at its close, and behind it what is worked out of it.
    pub values: &'a [f64],
    /// The score of the model, in millionths; unknown without one.
    pub score: Option<i64>,
    /// The score from which the model trades, in millionths; unknown without one.
    pub threshold: Option<i64>,
    /// The signals that the strategy reads, in its order: 1, -1, 0, or NaN.
    pub signals: &'a [f64],
    /// What the ledger knows.
    pub ledger: LedgerState,
}

/// What the ledger knows at a slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LedgerState {
    /// The position.
    pub held: Option<Held>,
    /// Slots since the last exit, at most [`BARS_SINCE_EXIT_MAX`].
    pub bars_since_exit: u32,
    /// Stops in a row.
    pub stops_in_a_row: u32,
    /// The equity of this row. Few rules read it, hence it becomes a float where one does.
    pub equity: Money,
}

impl Default for LedgerState {
    fn default() -> Self {
        Self {
            held: None,
            bars_since_exit: BARS_SINCE_EXIT_MAX,
            stops_in_a_row: 0,
            equity: Money::ZERO,
        }
    }
}

/// An open position, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// Its side.
    pub side: Side,
    /// The price it was entered at.
    pub entry_px: Price,
    /// The best price since.
    pub best_px: f64,
    /// Slots since that of the entry.
    pub bars: u32,
    /// The distance of its first stop, if it has one.
    pub first_stop: Option<f64>,
}

/// A node of a condition. Nodes are below those that read them.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    Constant(f64),
    Feature(u16),
    Price(values::Price),
    Clock(Clock),
    Slot(SlotValue),
    Signal(u16),
    Op(Op, [u16; 3]),
}

/// Where a condition or a distance is: most are worked out with the features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Root {
    /// The place among the values.
    Value(u16),
    Node(u16),
}

/// The conditions and distances of a strategy.
#[derive(Debug, Clone)]
pub(super) struct DecisionProgram {
    nodes: Vec<Node>,
    /// The places of features in the vector, by name or canonical text.
    features: BTreeMap<String, u16>,
    signals: Vec<String>,
    /// What is worked out with the features, behind them.
    ahead: Vec<Term>,
    /// The places of those, by canonical text.
    ahead_places: BTreeMap<String, u16>,
    /// How many values the vector has.
    vector: usize,
}

impl DecisionProgram {
    /// Empty, over a vector of these features and these signals.
    pub(super) fn new(features: &[String], first: usize, signals: Vec<String>) -> Self {
        // Those of a model come first and may be there again.
        let own = features.iter().enumerate().skip(first);
        Self {
            nodes: Vec::new(),
            features: own.map(|(at, name)| (name.clone(), small(at))).collect(),
            signals,
            ahead: Vec::new(),
            ahead_places: BTreeMap::new(),
            vector: features.len(),
        }
    }

    /// What is to be worked out with the features, in the order of the places behind them.
    pub(super) fn ahead(&self) -> &[Term] {
        &self.ahead
    }

    /// The place of a feature in the vector.
    pub(super) fn place(&self, term: &Term) -> Option<usize> {
        let reads_it = term.looks_back() || matches!(term.what, What::Let(_));
        if !reads_it {
            return None;
        }
        self.features.get(&term.to_string()).map(|at| usize::from(*at))
    }

    /// Adds a term; `None` where it is not made of features.
    pub(super) fn add(&mut self, term: &Term) -> Option<Root> {
        let at = self.add_node(term)?;
        Some(match self.nodes[usize::from(at)] {
            Node::Feature(place) => Root::Value(place),
            _ => Root::Node(at),
        })
    }

    /// Adds a value that is 0 where each of these conditions that depends on bars alone is false; its place, if there is such a
    /// condition.
    pub(super) fn add_any<'t>(
        &mut self,
        conditions: impl Iterator<Item = &'t Term>,
    ) -> Option<usize> {
        let (mut any, mut known): (Option<Term>, Vec<u16>) = (None, Vec::new());
        for condition in conditions {
            let Some(Root::Value(at)) = self.add(condition) else { continue };
            if known.contains(&at) {
                continue;
            }
            known.push(at);
            any = Some(match any {
                None => condition.clone(),
                Some(any) => truth(Op::Or, vec![any, condition.clone()]),
            });
        }
        match self.add(&any?)? {
            Root::Value(at) => Some(usize::from(at)),
            Root::Node(_) => None,
        }
    }

    fn add_node(&mut self, term: &Term) -> Option<u16> {
        let (is_made_of_features, is_of_bars_alone) = self.kind(term);
        if !is_made_of_features {
            return None;
        }
        let node = match (&term.what, term.constant, self.place(term)) {
            (_, Some(value), _) => Node::Constant(value),
            (_, _, Some(at)) => Node::Feature(small(at)),
            (What::Price(price), ..) => Node::Price(*price),
            (What::Clock(clock), ..) => Node::Clock(*clock),
            (What::Slot(value), ..) => Node::Slot(*value),
            (What::Signal(name), ..) => {
                Node::Signal(small(self.signals.iter().position(|known| known == name)?))
            }
            (What::Op(..), ..) if is_of_bars_alone => Node::Feature(self.work_out(term)),
            (What::Op(op, parts), ..) => {
                let mut inputs = [0; 3];
                for (input, part) in inputs.iter_mut().zip(parts) {
                    *input = self.add_node(part)?;
                }
                Node::Op(*op, inputs)
            }
            (What::Constant | What::Let(_) | What::Back(_) | What::Ago(..) | What::Tf(..), ..) => {
                return None;
            }
        };
        self.nodes.push(node);
        Some(small(self.nodes.len() - 1))
    }

    /// Whether all of it that looks back is a feature, and whether nothing of it is of the ledger or a signal.
    fn kind(&self, term: &Term) -> (bool, bool) {
        let (mut is_made_of_features, mut is_of_bars_alone) = (true, true);
        term.visit(&mut |part| match part.what {
            _ if part.constant.is_some() => false,
            What::Let(_) | What::Back(_) | What::Ago(..) | What::Tf(..) => {
                is_made_of_features &= self.place(part).is_some();
                false
            }
            What::Slot(_) | What::Signal(_) => {
                is_of_bars_alone = false;
                false
            }
            What::Constant | What::Price(_) | What::Clock(_) | What::Op(..) => true,
        });
        (is_made_of_features, is_of_bars_alone)
    }

    fn work_out(&mut self, term: &Term) -> u16 {
        let next = small(self.vector + self.ahead.len());
        *self.ahead_places.entry(term.to_string()).or_insert_with(|| {
            self.ahead.push(term.clone());
            next
        })
    }

    /// How many nodes there are.
    pub(super) fn operations(&self) -> usize {
        self.nodes.len()
    }

    /// The value of a term at a slot.
    #[inline]
    pub(super) fn value(&self, root: Root, inputs: &DecisionInputs<'_>) -> f64 {
        match root {
            Root::Value(at) => inputs.values[usize::from(at)],
            Root::Node(at) => self.node(at, inputs),
        }
    }

    fn node(&self, at: u16, inputs: &DecisionInputs<'_>) -> f64 {
        match self.nodes[usize::from(at)] {
            Node::Constant(value) => value,
            Node::Feature(at) => inputs.values[usize::from(at)],
            Node::Price(price) => price.of(inputs.bar),
            Node::Clock(clock) => clock.of(inputs.ts),
            Node::Slot(value) => value.of(inputs),
            Node::Signal(at) => inputs.signals.get(usize::from(at)).copied().unwrap_or(f64::NAN),
            Node::Op(op, parts) => self.operation(op, parts, inputs),
        }
    }

    fn operation(&self, op: Op, [a, b, c]: [u16; 3], inputs: &DecisionInputs<'_>) -> f64 {
        let a = self.node(a, inputs);
        match op {
            // What follows could not change the result.
            Op::And if a == 0.0 => 0.0,
            Op::Or if a == 1.0 => 1.0,
            Op::Negate | Op::Not | Op::Abs | Op::Sqrt | Op::Log | Op::Exp | Op::Floor => {
                op.of(a, 0.0, 0.0)
            }
            Op::If | Op::SafeDiv => op.of(a, self.node(b, inputs), self.node(c, inputs)),
            _ => op.of(a, self.node(b, inputs), 0.0),
        }
    }

    /// The value of a term that may not have been added.
    pub(super) fn value_of(&self, term: &Term, inputs: &DecisionInputs<'_>) -> f64 {
        if let Some(value) = term.constant {
            return value;
        }
        if let Some(at) = self.place(term) {
            return inputs.values[at];
        }
        match &term.what {
            What::Price(price) => price.of(inputs.bar),
            What::Clock(clock) => clock.of(inputs.ts),
            What::Slot(value) => value.of(inputs),
            What::Signal(name) => {
                let at = self.signals.iter().position(|known| known == name);
                at.and_then(|at| inputs.signals.get(at)).copied().unwrap_or(f64::NAN)
            }
            What::Op(op, parts) => {
                let value =
                    |at: usize| parts.get(at).map_or(0.0, |part| self.value_of(part, inputs));
                op.of(value(0), value(1), value(2))
            }
            What::Constant | What::Let(_) | What::Back(_) | What::Ago(..) | What::Tf(..) => {
                f64::NAN
            }
        }
    }
}

fn small(at: usize) -> u16 {
    u16::try_from(at).expect("a strategy has at most 64 rules of 1000 nodes, and 64 features")
}

impl SlotValue {
    /// Its value; unknown where the ledger has none.
    fn of(self, inputs: &DecisionInputs<'_>) -> f64 {
        let LedgerState { held, bars_since_exit, stops_in_a_row, equity } = inputs.ledger;
        let of_position = |value: fn(Held, f64) -> f64| {
            held.map_or(f64::NAN, |held| super::op::known(value(held, inputs.bar.close())))
        };
        let of_model = |units: Option<i64>| units.map_or(f64::NAN, |units| units as f64 / 1e6);
        match self {
            Self::Held => held.map_or(0.0, |held| sign(held.side)),
            Self::EntryPx => of_position(|held, _| held.entry_px.float()),
            Self::BestPx => of_position(|held, _| held.best_px),
            Self::BarsHeld => of_position(|held, _| f64::from(held.bars)),
            Self::Profit => of_position(Held::profit),
            Self::ProfitPct => {
                of_position(|held, close| 100.0 * held.profit(close) / held.entry_px.float())
            }
            Self::ProfitR => of_position(|held, close| {
                held.first_stop.map_or(f64::NAN, |stop| held.profit(close) / stop)
            }),
            Self::BarsSinceExit => f64::from(bars_since_exit.min(BARS_SINCE_EXIT_MAX)),
            Self::StopsInARow => f64::from(stops_in_a_row),
            Self::Equity => super::op::known(equity.float()),
            Self::Score => of_model(inputs.score),
            Self::Threshold => of_model(inputs.threshold),
        }
    }
}

impl Held {
    fn profit(self, close: f64) -> f64 {
        sign(self.side) * (close - self.entry_px.float())
    }
}

fn sign(side: Side) -> f64 {
    match side {
        Side::Long => 1.0,
        Side::Short => -1.0,
    }
}

/// The states that the crosses of exit rules lead to, with the places of the rules.
pub(super) fn states(rules: &[CheckedRule], lets: &Lets) -> Vec<(usize, Term)> {
    let exits = rules.iter().enumerate().filter(|(_, rule)| rule.rule.kind == Kind::Exit);
    exits.filter_map(|(at, rule)| state(&rule.when, lets).map(|state| (at, state))).collect()
}

/// The state a condition leads to, if it is a cross of two series, alone or with others in an `or`.
fn state(when: &Term, lets: &Lets) -> Option<Term> {
    match &when.what {
        What::Let(name) => state(&lets.terms[name], lets),
        What::Op(Op::Or, parts) => match (state(&parts[0], lets), state(&parts[1], lets)) {
            (Some(a), Some(b)) => Some(truth(Op::Or, vec![a, b])),
            (a, b) => a.or(b),
        },
        What::Back(Call { back, inputs, .. }) => {
            let op = match back {
                Back::CrossesAbove => Op::Greater,
                Back::CrossesBelow => Op::Less,
                _ => return None,
            };
            // Above or below a number is where a series is most of the time, without an event.
            let moves = inputs.iter().all(|input| input.constant.is_none());
            moves.then(|| truth(op, inputs.clone()))
        }
        What::Constant
        | What::Price(_)
        | What::Clock(_)
        | What::Slot(_)
        | What::Signal(_)
        | What::Op(..)
        | What::Ago(..)
        | What::Tf(..) => None,
    }
}

/// A condition made of these.
pub(super) fn truth(op: Op, parts: Vec<Term>) -> Term {
    let span = parts[0].span;
    let (unit, exact) = (Unit::PURE, Exact::Whole);
    let bounds = Bounds::of(op, &parts);
    Term { span, what: What::Op(op, parts), ty: Type::Truth, unit, exact, bounds, constant: None }
}

/// Says where a cross is hidden in a name, so that its series are not in the vector.
pub(super) fn remark(checked: &Checked, reach: &Reach, problems: &mut Vec<RuleProblem>) {
    let features: Vec<String> = reach.features.iter().map(Term::to_string).collect();
    for (at, state) in states(&checked.rules, &checked.lets) {
        let mut hidden = None;
        state.visit(&mut |term| {
            if term.looks_back() && !features.contains(&term.to_string()) {
                hidden = Some(term.to_string());
            }
            !matches!(term.what, What::Tf(..))
        });
        if let Some(hidden) = hidden {
            let rule = &checked.rules[at];
            let message = format!(
                "a cross of `{hidden}` that passes while bars are missing is not made up for"
            );
            let help = "write the cross in the rule, or give both of its series names";
            problems.push(RuleProblem::note(rule.key.clone(), message).help(help));
        }
    }
    for rule in checked.rules.iter().filter(|rule| rule.rule.kind == Kind::Exit) {
        let mut missed = Vec::new();
        not_made_up_for(&rule.when, (true, &checked.lets), &mut missed);
        for (cross, help) in missed {
            let message =
                format!("`{cross}` is not made up for where it passes while bars are missing");
            problems.push(RuleProblem::note(rule.key.clone(), message).help(help));
        }
    }
}

/// The crosses of a condition that [`state`] finds no state of, each once, with what to write instead. `alone` says that nothing but `or`
/// is around it. A cross that a function looks back at, or of another timeframe, stays true for more than one bar.
fn not_made_up_for(term: &Term, (alone, lets): (bool, &Lets), missed: &mut Vec<(String, String)>) {
    match &term.what {
        What::Let(name) => not_made_up_for(&lets.terms[name], (alone, lets), missed),
        What::Op(op, parts) => {
            let alone = alone && *op == Op::Or;
            for part in parts {
                not_made_up_for(part, (alone, lets), missed);
            }
        }
        What::Ago(inner, _) => not_made_up_for(inner, (false, lets), missed),
        What::Back(call) if call.back.crosses() => {
            let sign = if call.back == Back::CrossesAbove { '>' } else { '<' };
            let [a, b] = [0, 1].map(|at| call.inputs[at].to_string());
            let of_number = call.inputs.iter().any(|input| input.constant.is_some());
            let help = if of_number {
                format!("an exit that is a state is not missed: {a} {sign} {b}")
            } else if alone {
                return;
            } else {
                format!(
                    "write the cross alone or joined by `or`, or a state in its place: {a} {sign} {b}"
                )
            };
            if missed.iter().all(|(known, _)| *known != term.to_string()) {
                missed.push((term.to_string(), help));
            }
        }
        What::Constant
        | What::Price(_)
        | What::Clock(_)
        | What::Slot(_)
        | What::Signal(_)
        | What::Back(_)
        | What::Tf(..) => {}
    }
}
