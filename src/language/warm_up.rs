//! How many bars a value looks back, and how that comes about.

use std::collections::BTreeMap;

use super::{
    check::Lets,
    functions::Back,
    kernels::lag,
    program::needed,
    term::{Call, Term, What},
};
use crate::domain::time::Timeframe;

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
                lag::timeframe(ratio, self.of(inner, *longer))
            }
        }
    }

    fn own(&self, call: &Call, timeframe: Timeframe) -> u64 {
        match (self.plain_averages, call.back, &call.lengths[..]) {
            (true, Back::Ema | Back::Rma, [n]) => lag::window(*n),
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
