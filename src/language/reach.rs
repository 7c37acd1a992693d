//! What the rules of a strategy read, and how many bars a value looks back.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::{Checked, Lets},
    functions::Back,
    kernels::window,
    program::needed,
    term::{Call, Term, What},
    values::SlotValue,
};
use crate::domain::time::Timeframe;

/// What is read.
#[derive(Debug)]
pub(super) struct Reach {
    /// Names of `[strategy.let]`, on whatever timeframe.
    pub(super) read: BTreeSet<String>,
    /// The features, in their order: names, then calls that look back.
    pub(super) features: Vec<Term>,
    pub(super) signals: Vec<String>,
    pub(super) slot_values: BTreeSet<SlotValue>,
}

impl Reach {
    pub(super) fn of(checked: &Checked) -> Self {
        let rules = checked.rules.iter().map(|rule| &rule.when);
        let sides = checked.sides.each().map(super::check::place_of);
        let distances = sides.flat_map(|side| checked.protect[side].iter().flatten());
        let roots: Vec<&Term> = rules.chain(distances).collect();
        let mut names: BTreeMap<String, Term> = BTreeMap::new();
        let mut calls: BTreeMap<String, Term> = BTreeMap::new();
        let mut signals = BTreeSet::new();
        let mut slot_values = BTreeSet::new();
        for root in &roots {
            for name in needed(root, &checked.lets) {
                let body = &checked.lets.terms[name];
                let what = What::Let(name.to_owned());
                names.entry(name.to_owned()).or_insert_with(|| Term {
                    what,
                    constant: None,
                    ..body.clone()
                });
            }
            root.visit(&mut |term| {
                match &term.what {
                    What::Signal(name) => {
                        signals.insert(name.clone());
                    }
                    What::Slot(value) => {
                        slot_values.insert(*value);
                    }
                    What::Back(_) | What::Ago(..) | What::Tf(..) => {
                        calls.entry(term.to_string()).or_insert_with(|| term.clone());
                    }
                    What::Constant
                    | What::Price(_)
                    | What::Clock(_)
                    | What::Let(_)
                    | What::Op(..) => {}
                }
                !matches!(term.what, What::Tf(..))
            });
        }
        let read = read(&roots, &checked.lets);
        let features = names.into_values().chain(calls.into_values()).collect();
        Self { read, features, signals: signals.into_iter().collect(), slot_values }
    }
}

/// Names that are read on whatever timeframe.
fn read(roots: &[&Term], lets: &Lets) -> BTreeSet<String> {
    let mut read = BTreeSet::new();
    let mut waiting: Vec<&Term> = roots.to_vec();
    while let Some(term) = waiting.pop() {
        term.visit(&mut |part| {
            if let What::Let(name) = &part.what
                && read.insert(name.clone())
            {
                waiting.push(&lets.terms[name]);
            }
            true
        });
    }
    read
}

/// Whether a term reads bars of a longer timeframe.
pub(super) fn has_tf(term: &Term, lets: &Lets) -> bool {
    let mut found = false;
    let names = read(&[term], lets);
    for term in names.iter().map(|name| &lets.terms[name]).chain([term]) {
        term.visit(&mut |part| {
            found |= matches!(part.what, What::Tf(..));
            !found
        });
    }
    found
}

/// A value, the bars before the first of its own that it looks at, and what that is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derivation {
    /// The value, as canonical text.
    pub text: String,
    /// Bars, its parts included.
    pub lag: u64,
    /// The rule by which its own are counted: `4n - 1`. Empty where it has none of its own.
    pub how: &'static str,
    /// What it reads, as far as that looks back.
    pub parts: Vec<Self>,
}

/// Lags of terms, on bars of any timeframe.
pub(super) struct Lags<'a> {
    lets: &'a Lets,
    /// Of names.
    known: BTreeMap<(&'a str, Timeframe), u64>,
    /// Whether exponential averages count as simple ones of the same length.
    plain_averages: bool,
}

impl<'a> Lags<'a> {
    pub(super) fn new(lets: &'a Lets) -> Self {
        Self { lets, known: BTreeMap::new(), plain_averages: false }
    }

    /// As if every `ema` and `rma` were an `sma`.
    pub(super) fn with_plain_averages(lets: &'a Lets) -> Self {
        Self { plain_averages: true, ..Self::new(lets) }
    }

    /// That of a term.
    pub(super) fn of(&mut self, term: &Term, timeframe: Timeframe) -> u64 {
        // Names in their order, so that a long chain of them is not followed by recursion.
        let needed = needed(term, self.lets);
        for name in &self.lets.order {
            let key = (name.as_str(), timeframe);
            if needed.contains(name.as_str()) && !self.known.contains_key(&key) {
                let lag = self.below(&self.lets.terms[name], timeframe);
                self.known.insert(key, lag);
            }
        }
        self.below(term, timeframe)
    }

    fn below(&mut self, term: &Term, timeframe: Timeframe) -> u64 {
        if term.constant.is_some() {
            return 0;
        }
        let mut largest = |parts: &[Term]| {
            parts.iter().map(|part| self.below(part, timeframe)).max().unwrap_or(0)
        };
        match &term.what {
            What::Constant | What::Price(_) | What::Clock(_) | What::Slot(_) | What::Signal(_) => 0,
            What::Let(name) => self.known[&(name.as_str(), timeframe)],
            What::Op(_, parts) => largest(parts),
            What::Back(call) => largest(&call.inputs) + self.own(call, timeframe),
            What::Ago(inner, n) => self.below(inner, timeframe) + u64::from(n.get()),
            What::Tf(longer, inner) => {
                let ratio = (longer.ms() / timeframe.ms()).unsigned_abs();
                window::timeframe(ratio, self.of(inner, *longer))
            }
        }
    }

    fn own(&self, call: &Call, timeframe: Timeframe) -> u64 {
        match (self.plain_averages, call.back, &call.lengths[..]) {
            (true, Back::Ema | Back::Rma, [n]) => window::window(*n),
            _ => call.lag(timeframe),
        }
    }

    /// How the lag of a term comes about.
    pub(super) fn derivation(&mut self, term: &Term, timeframe: Timeframe) -> Derivation {
        let lag = self.of(term, timeframe);
        let (how, parts): (&'static str, Vec<Derivation>) = match &term.what {
            What::Let(name) => ("", vec![self.derivation(&self.lets.terms[name], timeframe)]),
            What::Tf(longer, inner) => (TF_LAG, vec![self.derivation(inner, *longer)]),
            What::Ago(..) => ("n", self.derivations(term, timeframe)),
            What::Back(call) => (call.back.row().lag, self.derivations(term, timeframe)),
            What::Op(..) => ("", self.derivations(term, timeframe)),
            What::Constant | What::Price(_) | What::Clock(_) | What::Slot(_) | What::Signal(_) => {
                ("", Vec::new())
            }
        };
        Derivation { text: term.to_string(), lag, how, parts }
    }

    fn derivations(&mut self, term: &Term, timeframe: Timeframe) -> Vec<Derivation> {
        let parts = term.below().iter().map(|part| self.derivation(part, timeframe));
        parts.filter(|part| part.lag > 0).collect()
    }
}

const TF_LAG: &str = "ratio * (lag + 1) + ratio - 2";
