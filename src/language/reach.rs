//! What the rules and distances of a strategy read: names, features, signals, values of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    check::{Checked, Lets},
    program::needed,
    term::{Term, What},
    values::SlotValue,
};

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
