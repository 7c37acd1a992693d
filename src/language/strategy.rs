//! A strategy: checked rules, the features they read, and what they say at a slot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    check::{self, Checked, CheckedRule, DISTANCES, Distances, Lets, place_of},
    decision::{DecisionProgram, Root},
    features::{Features, too_many},
    intent::{Asked, stands_at},
    problem::{RuleProblem, Severity},
    raw::{Number, RawStrategy, Values},
    reach::{Derivation, Lags, Reach},
    rule::{Kind, Rule, Sides, SizeMode, SizeRule},
    term::{Term, What, number},
    values::SlotValue,
};
use crate::domain::{
    decision::Side,
    time::{DAY_MS, Timeframe},
};

/// Most bars of a warm-up.
pub const WARM_UP_MAX: u32 = 500_000;

/// A checked strategy on one timeframe. Copies share it.
#[derive(Debug, Clone)]
pub struct CheckedStrategy(pub(super) Arc<Plan>);

/// What a strategy is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) timeframe: Timeframe,
    pub(super) cadence_bars: u32,
    pub(super) sides: Sides,
    pub(super) size: SizeRule,
    pub(super) lets: Lets,
    /// Names that something reads, on whatever timeframe.
    pub(super) read: BTreeSet<String>,
    pub(super) params: BTreeMap<String, Number>,
    /// Entries, then exits.
    pub(super) rules: Vec<Rule>,
    pub(super) whens: Vec<Term>,
    pub(super) distances: [Distances; 2],
    pub(super) features: Features,
    pub(super) decision: DecisionProgram,
    /// The conditions of `rules`.
    pub(super) roots: Vec<Root>,
    pub(super) asked: Asked,
    /// The place of the value that is 0 where every condition that depends on bars alone is false.
    pub(super) silence: Option<usize>,
    /// The distances of a long and of a short position.
    pub(super) protect: [[Option<Root>; 5]; 2],
    /// Exits that are events, and the states they lead to.
    pub(super) overdue: Vec<(usize, Root)>,
    /// Where those states are, if they depend on bars alone.
    pub(super) stands_at: Option<Vec<(usize, u64)>>,
    pub(super) signals: Vec<String>,
    /// A bit for each [`SlotValue`] that a rule reads.
    pub(super) slot_values: u32,
    pub(super) remarks: Vec<RuleProblem>,
}

/// Everything there is to say about a strategy: errors, warnings, notes. Without a timeframe, what needs one is left out.
pub fn check(raw: &RawStrategy, values: &Values, timeframe: Option<Timeframe>) -> Vec<RuleProblem> {
    let mut problems = Vec::new();
    if let Some(checked) = check::check(raw, values, timeframe, &[], &mut problems) {
        let reach = Reach::of(&checked);
        unread_signals(raw, &reach, &mut problems);
        remark(&checked, &reach, &mut problems);
        if let Some(timeframe) = timeframe {
            warm_up(&checked, &reach, timeframe, &mut problems);
        }
    }
    problems
}

/// Whether the params of a strategy with these values meet its `require`; the error says what is wrong with a text or a value.
pub fn allows(raw: &RawStrategy, values: &Values) -> Result<bool, RuleProblem> {
    check::allows(raw, values)
}

impl CheckedStrategy {
    /// A strategy, or all problems, at least one of them an error. `model` names the features of its model, which come first in the
    /// vector.
    pub fn new(
        raw: &RawStrategy,
        values: &Values,
        timeframe: Timeframe,
        model: &[String],
    ) -> Result<Self, Vec<RuleProblem>> {
        let mut problems = Vec::new();
        let Some(checked) = check::check(raw, values, Some(timeframe), model, &mut problems) else {
            return Err(problems);
        };
        let reach = Reach::of(&checked);
        unread_signals(raw, &reach, &mut problems);
        remark(&checked, &reach, &mut problems);
        warm_up(&checked, &reach, timeframe, &mut problems);
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(problems);
        }
        Ok(Self(Arc::new(plan(checked, reach, timeframe, problems))))
    }

    /// Warnings and notes of the check.
    pub fn remarks(&self) -> &[RuleProblem] {
        &self.0.remarks
    }

    /// The timeframe of its bars.
    pub fn timeframe(&self) -> Timeframe {
        self.0.timeframe
    }

    /// What it sees of the bars.
    pub fn features(&self) -> &Features {
        &self.0.features
    }

    /// Every name of `[strategy.let]`, also those that nothing reads.
    pub fn exports(&self) -> Features {
        let Lets { terms, .. } = &self.0.lets;
        let names = terms.keys().cloned().collect();
        let terms: Vec<Term> = terms.iter().map(|(name, body)| named(name, body)).collect();
        Features::new(names, &terms, &[], &self.0.lets, self.0.timeframe)
    }

    /// Its rules: entries, then exits, each in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.0.rules
    }

    /// The sides it may hold.
    pub fn sides(&self) -> Sides {
        self.0.sides
    }

    /// Whether it has entry rules of both sides.
    pub fn has_both_sides(&self) -> bool {
        let enters = |side| {
            let enters = |rule: &&Rule| rule.kind == Kind::Enter && rule.sides.allow(side);
            self.0.rules.iter().any(|rule| enters(&rule))
        };
        enters(Side::Long) && enters(Side::Short)
    }

    /// How large its positions are.
    pub fn size(&self) -> &SizeRule {
        &self.0.size
    }

    /// The signals that its rules read.
    pub fn signals(&self) -> &[String] {
        &self.0.signals
    }

    /// Whether a rule reads this value, or the size of a position the equity.
    #[inline]
    pub fn reads(&self, value: SlotValue) -> bool {
        self.0.slot_values & bit(value) != 0
            || (value == SlotValue::Equity && self.0.size.reads_equity())
    }

    /// Bars since the anchor before it can be asked: what its features need, at least `cadence-bars`.
    pub fn warm_up_bars(&self) -> u32 {
        self.0.features.warm_up_bars().max(self.0.cadence_bars).max(1)
    }

    /// The slowest feature, and why it is so slow.
    pub fn warm_up(&self) -> &Derivation {
        self.0.features.slowest()
    }

    /// Operations of its program.
    pub fn operations(&self) -> usize {
        self.0.features.operations() + self.0.decision.operations()
    }
}

impl PartialEq for CheckedStrategy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.timeframe(), self.identity(), self.features().names())
                == (other.timeframe(), other.identity(), other.features().names())
    }
}

const fn bit(value: SlotValue) -> u32 {
    1 << value as u32
}

/// A term that reads a name.
fn named(name: &str, body: &Term) -> Term {
    Term { what: What::Let(name.to_owned()), constant: None, ..body.clone() }
}

fn plan(checked: Checked, reach: Reach, timeframe: Timeframe, remarks: Vec<RuleProblem>) -> Plan {
    let Checked { cadence_bars, sides, lets, rules, protect: distances, size, params, model } =
        checked;
    let Reach { read, features: own, signals, slot_values } = reach;
    let model_names = model.iter().map(Term::to_string);
    let names: Vec<String> = model_names.chain(own.iter().map(Term::to_string)).collect();
    let terms: Vec<Term> = model.iter().cloned().chain(own).collect();
    let mut decision = DecisionProgram::new(&names, model.len(), signals.clone());
    let mut root = |term: &Term| decision.add(term).expect("what looks back is a feature");
    let roots: Vec<Root> = rules.iter().map(|rule| root(&rule.when)).collect();
    let protect = [0, 1]
        .map(|side: usize| std::array::from_fn(|at| distances[side][at].as_ref().map(&mut root)));
    let overdue = super::decision::states(&rules, &lets);
    let overdue: Vec<(usize, Root)> = overdue
        .into_iter()
        .filter_map(|(at, state)| decision.add(&state).map(|root| (at, root)))
        .collect();
    let stands_at = stands_at(&overdue);
    let silence = decision.add_any(rules.iter().map(|rule| &rule.when));
    let (rules, whens): (Vec<Rule>, Vec<Term>) =
        rules.into_iter().map(|CheckedRule { rule, when, .. }| (rule, when)).unzip();
    let asked = Asked::new(&rules, &roots);
    let features = Features::new(names, &terms, decision.ahead(), &lets, timeframe);
    Plan {
        timeframe,
        cadence_bars,
        sides,
        size,
        lets,
        read,
        params,
        rules,
        whens,
        distances,
        features,
        decision,
        roots,
        asked,
        silence,
        protect,
        overdue,
        stands_at,
        signals,
        slot_values: slot_values.into_iter().fold(0, |bits, value| bits | bit(value)),
        remarks,
    }
}

/// Signals that are declared and that no rule reads.
fn unread_signals(raw: &RawStrategy, reach: &Reach, problems: &mut Vec<RuleProblem>) {
    for name in raw.signals.iter().filter(|name| !reach.signals.contains(name)) {
        let message = format!("no rule reads the signal `{name}`: LIVE does not wait for it");
        problems.push(RuleProblem::note(format!("strategy.signals.{name}"), message));
    }
}

/// What needs no timeframe and looks at the strategy as a whole.
fn remark(checked: &Checked, reach: &Reach, problems: &mut Vec<RuleProblem>) {
    for name in checked.lets.terms.keys().filter(|name| !reach.read.contains(*name)) {
        let message = format!("no rule reads `{name}`: it is there for `runner features` only");
        problems.push(RuleProblem::note(format!("strategy.let.{name}"), message));
    }
    if let Some(problem) = too_many("strategy", checked.model.len() + reach.features.len()) {
        problems.push(problem);
    }
    super::decision::remark(checked, reach, problems);
}

/// How long the warm-up is.
fn warm_up(
    checked: &Checked,
    reach: &Reach,
    timeframe: Timeframe,
    problems: &mut Vec<RuleProblem>,
) {
    const LONG_MS: i64 = 90 * DAY_MS;
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        // The vector may be of any length.
        return;
    }
    let terms = || checked.model.iter().chain(&reach.features);
    let mut lags = Lags::new(&checked.lets);
    let Some((lag, slowest)) =
        terms().map(|term| (lags.of(term, timeframe), term)).max_by_key(|(lag, _)| *lag)
    else {
        return;
    };
    let bars = lag + 1;
    if bars > u64::from(WARM_UP_MAX) {
        let message = format!(
            "`{slowest}` needs {bars} bars of {timeframe} before it means something; at most {WARM_UP_MAX} are loaded"
        );
        problems.push(
            RuleProblem::error("strategy", message)
                .help("use shorter lengths, or sma in place of ema"),
        );
        return;
    }
    let long = i64::try_from(bars).unwrap_or(i64::MAX).saturating_mul(timeframe.ms()) > LONG_MS;
    let has_tf = terms().any(|term| super::reach::has_tf(term, &checked.lets));
    if long && has_tf {
        let mut plain = Lags::with_plain_averages(&checked.lets);
        let plain = terms().map(|term| plain.of(term, timeframe)).max().unwrap_or(0) + 1;
        let days = |bars: u64| {
            bars.saturating_mul(timeframe.ms().unsigned_abs()).div_ceil(DAY_MS.unsigned_abs())
        };
        let message = format!(
            "the warm-up is {bars} bars of {timeframe}, {} days, because of `{slowest}`",
            days(bars)
        );
        let help = format!(
            "with sma in place of ema and rma it would be {plain} bars, {} days",
            days(plain)
        );
        problems.push(RuleProblem::warning("strategy", message).help(help));
    }
}

impl CheckedStrategy {
    /// Keys and texts. Two strategies with the same ones decide the same; comments, spaces and what nothing reads are not in them.
    pub fn identity(&self) -> Vec<(String, String)> {
        let plan = &self.0;
        let mut lines = vec![("strategy.sides".to_owned(), plan.sides.name().to_owned())];
        let mut line = |key: String, text: String| lines.push((key, text));
        for (name, value) in &plan.params {
            let text = match value {
                Number::Integer(whole) => whole.to_string(),
                Number::Float(x) => number(*x),
            };
            line(format!("strategy.params.{name}"), text);
        }
        for (name, body) in plan.lets.terms.iter().filter(|(name, _)| plan.read.contains(*name)) {
            line(format!("strategy.let.{name}"), body.to_string());
        }
        for kind in [Kind::Enter, Kind::Exit] {
            let rules = plan.rules.iter().zip(&plan.whens);
            for (place, (rule, when)) in (1..).zip(rules.filter(|(rule, _)| rule.kind == kind)) {
                let Rule { name, sides, .. } = rule;
                let key = format!("strategy.{}.{place}.{name}", kind.name());
                line(format!("{key}.side"), sides.name().to_owned());
                line(format!("{key}.when"), when.to_string());
            }
        }
        for side in plan.sides.each() {
            for (name, term) in DISTANCES.into_iter().zip(&plan.distances[place_of(side)]) {
                if let Some(term) = term {
                    line(format!("strategy.protect.{}.{name}", side.name()), term.to_string());
                }
            }
        }
        let size = &plan.size;
        let (mode, share) = match size.mode {
            SizeMode::Fixed => ("fixed", None),
            SizeMode::Percent(percent) => ("percent", Some(("percent", percent))),
            SizeMode::Risk(percent) => ("risk", Some(("risk-pct", percent))),
        };
        line("strategy.size.mode".to_owned(), mode.to_owned());
        let most = size.max_notional.map(|most| ("max-notional", most));
        for (name, value) in share.into_iter().chain(most) {
            line(format!("strategy.size.{name}"), value.normalize().to_string());
        }
        lines
    }
}
