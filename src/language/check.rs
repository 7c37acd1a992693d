//! From the tables of a file to checked terms, with every problem on the way.

mod call;
mod expression;
mod names;
mod rules;
mod scope;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    parse::Expr,
    problem::{Fault, RuleProblem, Severity},
    raw::{Number, RawStrategy, Values},
    rule::{Rule, Sides, SizeRule},
    term::{Term, Type, Unit},
};
use crate::domain::{decision::Side, time::Timeframe};
use scope::{Scope, TextPlace};

/// Most names of params and series.
const NAMES_MAX: usize = 1000;
/// Most rules.
const RULES_MAX: usize = 64;
/// Most nodes of all expressions together.
const NODES_MAX: usize = 1000;

/// A rule and its condition.
#[derive(Debug, Clone)]
pub(super) struct CheckedRule {
    pub(super) rule: Rule,
    /// The key of its condition.
    pub(super) key: String,
    pub(super) when: Term,
}

/// The distances of one side, in the order of [`DISTANCES`].
pub(super) type Distances = [Option<Term>; 5];

/// The keys of `[strategy.protect]`.
pub(super) const DISTANCES: [&str; 5] = ["stop", "target", "trail", "trail-from", "break-even-at"];

/// A strategy without an error in any of its texts.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) cadence_bars: u32,
    pub(super) sides: Sides,
    /// What `[strategy.let]` has.
    pub(super) lets: Lets,
    /// Entries, then exits, each in the order of the file; without those of sides that are never held.
    pub(super) rules: Vec<CheckedRule>,
    /// Of a long and of a short position.
    pub(super) protect: [Distances; 2],
    pub(super) size: SizeRule,
    /// Params that something reads, with their values.
    pub(super) params: BTreeMap<String, Number>,
    /// The features of the model.
    pub(super) model: Vec<Term>,
}

/// Checked names, and an order in which each comes after those it reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Lets {
    pub(super) terms: BTreeMap<String, Term>,
    pub(super) order: Vec<String>,
}

/// Which of the two places of a pair belongs to a side.
pub(super) const fn place_of(side: Side) -> usize {
    match side {
        Side::Long => 0,
        Side::Short => 1,
    }
}

/// Checks everything but what needs the whole program.
pub(super) fn check(
    raw: &RawStrategy,
    values: &Values,
    timeframe: Option<Timeframe>,
    model: &[String],
    problems: &mut Vec<RuleProblem>,
) -> Option<Checked> {
    if let Some(problem) = too_large(raw) {
        problems.push(problem);
        return None;
    }
    let mut scope = Scope::new(&raw.signals, raw.model || !model.is_empty(), timeframe);
    names::params(&mut scope, raw, values, problems);
    names::require(&mut scope, raw, problems);
    let parsed = names::parsed(raw, problems);
    if let Some(problem) = too_many_nodes(raw, &parsed) {
        problems.push(problem);
        return None;
    }
    let order = names::lets(&mut scope, raw, &parsed, problems);
    let sides = rules::sides(raw, problems);
    let protect = rules::protect(&mut scope, raw, problems);
    let rules = rules::rules(&mut scope, raw, (sides, &protect), problems);
    let size = rules::size(raw, (sides, &protect), problems);
    // Without params and names: a model is bound to its features as they are written.
    let model = features(&mut scope, "strategy.model.features", model, problems);
    unread_params(&scope, raw, problems);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return None;
    }
    let Scope { lets: terms, params, params_read, .. } = scope;
    Some(Checked {
        cadence_bars: raw.cadence_bars,
        sides,
        lets: Lets { terms, order },
        rules,
        protect,
        size: size?,
        params: params.into_iter().filter(|(name, _)| params_read.contains(name)).collect(),
        model: model?,
    })
}

/// Whether params with these values meet what is demanded of them; or what is wrong with a text, or with a value.
pub(super) fn allows(raw: &RawStrategy, values: &Values) -> Result<bool, RuleProblem> {
    let (signals, mut problems) = (BTreeSet::new(), Vec::new());
    let mut scope = Scope::new(&signals, false, None);
    names::params(&mut scope, raw, values, &mut problems);
    names::require(&mut scope, raw, &mut problems);
    let is_met = problems.is_empty();
    let is_wrong = |problem: &RuleProblem| problem.severity == Severity::Error && !problem.unmet;
    problems.into_iter().find(is_wrong).map_or(Ok(is_met), Err)
}

/// Checks features alone, without a strategy.
pub(super) fn features_alone(
    texts: &[String],
    timeframe: Option<Timeframe>,
    problems: &mut Vec<RuleProblem>,
) -> Option<Vec<Term>> {
    let signals = BTreeSet::new();
    features(&mut Scope::new(&signals, false, timeframe), "features", texts, problems)
}

/// Features of a model: pure numbers. The scope's names of `[strategy.let]` are not theirs.
fn features(
    scope: &mut Scope<'_>,
    key: &str,
    texts: &[String],
    problems: &mut Vec<RuleProblem>,
) -> Option<Vec<Term>> {
    let lets = std::mem::take(&mut scope.lets);
    let mut terms: Vec<Term> = Vec::new();
    let mut failed = false;
    for (at, text) in texts.iter().enumerate() {
        let key = format!("{key}[{at}]");
        let term = expression::check(scope, TextPlace::Feature, (&key, text), problems);
        let Some(term) = term else {
            failed = true;
            continue;
        };
        let span = term.span;
        let fault = if term.ty == Type::Truth {
            Fault::error(span, "a feature is a number").help("write if(condition, 1, 0)")
        } else if !term.unit.fits(Unit::PURE) {
            let message = format!("a feature is a pure number, this is {}", term.unit);
            Fault::error(span, message)
                .help("divide it by a price: close / ema(close, 20), atr(14) / close")
        } else if terms.iter().any(|other| other.to_string() == term.to_string()) {
            Fault::error(span, "this feature is named twice").help("take one of the two out")
        } else {
            terms.push(term);
            continue;
        };
        failed = true;
        problems.push(RuleProblem::at(&key, fault));
    }
    scope.lets = lets;
    (!failed).then_some(terms)
}

fn too_large(raw: &RawStrategy) -> Option<RuleProblem> {
    let names = raw.params.len() + raw.lets.len();
    let rules = raw.enter.len() + raw.exit.len();
    if names > NAMES_MAX {
        let message = format!("{names} names in params and let; at most {NAMES_MAX} are read");
        let help = "take out what no rule reads, or write it where it is read";
        return Some(RuleProblem::error("strategy.let", message).help(help));
    }
    if rules > RULES_MAX {
        let message = format!("{rules} rules; at most {RULES_MAX} are read");
        return Some(
            RuleProblem::error("strategy.enter", message).help("join conditions with `or`"),
        );
    }
    let require = raw.require.len();
    (require > RULES_MAX).then(|| {
        let message = format!("{require} conditions; at most {RULES_MAX} are read");
        RuleProblem::error("strategy.require", message).help("join conditions with `and`")
    })
}

fn too_many_nodes(raw: &RawStrategy, parsed: &BTreeMap<String, Expr>) -> Option<RuleProblem> {
    let rules = raw.enter.iter().chain(&raw.exit).map(|rule| rule.when.as_str());
    let protect = &raw.protect;
    let distances = [&protect.both, &protect.long, &protect.short];
    let distances =
        distances.into_iter().flat_map(|table| table.keys()).filter_map(|(_, text)| text);
    let others = rules.chain(distances).filter_map(|text| super::parse::parse(text).ok());
    let nodes = parsed.values().map(Expr::nodes).sum::<usize>()
        + others.map(|expr| expr.nodes()).sum::<usize>();
    (nodes > NODES_MAX).then(|| {
        let message =
            format!("{nodes} numbers, names and operators in all; at most {NODES_MAX} are read");
        RuleProblem::error("strategy", message)
            .help("give what is written twice a name in [strategy.let]")
    })
}

fn unread_params(scope: &Scope<'_>, raw: &RawStrategy, problems: &mut Vec<RuleProblem>) {
    for name in raw.params.keys() {
        if scope.params.contains_key(name) && !scope.params_read.contains(name) {
            let key = format!("strategy.params.{name}");
            problems.push(RuleProblem::note(key, format!("nothing reads the param `{name}`")));
        }
    }
}
