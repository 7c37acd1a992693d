//! What a text can refer to: params with their values, checked names of `[strategy.let]`, the words of the language.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    functions::Function,
    problem::{Fault, TextSpan, meant, quoted},
    raw::Number,
    term::{Exact, Term, What},
    values::{Clock, Price, SlotValue},
};
use crate::domain::time::Timeframe;

/// Words that name something else already.
const WORDS: [&str; 10] =
    ["and", "or", "not", "if", "true", "false", "tf", "signal", "ts_ms", "bar"];
/// Longest name.
const NAME_MAX: usize = 32;
/// Suggestions are made for so many unknown words: each is compared with all known ones.
const SUGGESTIONS_MAX: u32 = 20;

/// Where a text stands: what it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextPlace {
    /// `[strategy.let]`.
    Let,
    /// The condition of an entry.
    Enter,
    /// The condition of an exit, and whether every side of it has a stop or a trail.
    Exit(bool),
    /// `[strategy.protect]`.
    Protect,
    /// `require`.
    Require,
    /// A feature of a model.
    Feature,
}

/// What texts can refer to.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// Params, with the values of this point.
    pub(super) params: BTreeMap<String, Number>,
    /// Checked texts of `[strategy.let]`.
    pub(super) lets: BTreeMap<String, Term>,
    /// Names that have a fault already: nothing more is said of who reads them.
    pub(super) broken: BTreeSet<String>,
    /// Those that have a `tf` in them, also by another name.
    pub(super) lets_with_tf: BTreeSet<String>,
    /// Those that have a cross in them, also by another name.
    pub(super) lets_with_cross: BTreeSet<String>,
    /// The params that something reads.
    pub(super) params_read: BTreeSet<String>,
    pub(super) signals: &'a BTreeSet<String>,
    pub(super) model: bool,
    pub(super) timeframe: Option<Timeframe>,
    suggestions: u32,
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        signals: &'a BTreeSet<String>,
        model: bool,
        timeframe: Option<Timeframe>,
    ) -> Self {
        Self {
            params: BTreeMap::new(),
            lets: BTreeMap::new(),
            broken: BTreeSet::new(),
            lets_with_tf: BTreeSet::new(),
            lets_with_cross: BTreeSet::new(),
            params_read: BTreeSet::new(),
            signals,
            model,
            timeframe,
            suggestions: 0,
        }
    }

    /// The value of a param, which is read by that.
    pub(super) fn param(&mut self, name: &str) -> Option<Number> {
        let value = self.params.get(name).copied()?;
        if !self.params_read.contains(name) {
            self.params_read.insert(name.to_owned());
        }
        Some(value)
    }

    /// Adds a checked name.
    pub(super) fn define(&mut self, name: &str, term: Term) {
        let (mut has_tf, mut has_cross) = (false, false);
        term.visit(&mut |part| {
            match &part.what {
                What::Tf(..) => has_tf = true,
                What::Let(other) => {
                    has_tf |= self.lets_with_tf.contains(other);
                    has_cross |= self.lets_with_cross.contains(other);
                }
                What::Back(call) => has_cross |= call.back.crosses(),
                What::Constant
                | What::Price(_)
                | What::Clock(_)
                | What::Slot(_)
                | What::Signal(_)
                | What::Op(..)
                | What::Ago(..) => {}
            }
            true
        });
        if has_tf {
            self.lets_with_tf.insert(name.to_owned());
        }
        if has_cross {
            self.lets_with_cross.insert(name.to_owned());
        }
        self.lets.insert(name.to_owned(), term);
    }

    /// What is said of a name that means nothing.
    pub(super) fn unknown_name(&mut self, name: &str, span: TextSpan) -> Fault {
        let fault = Fault::error(span, format!("{} is not known here", quoted(name)));
        if let Some(function) = Function::named(name) {
            let row = function.row();
            return fault.help(format!("it is a function: {}", row.signature()));
        }
        if let Some(why) = Function::absent(name) {
            return fault.help(why);
        }
        match self.meant_name(name) {
            Some(meant) => fault.help(format!("did you mean `{meant}`?")),
            None => fault.help(
                "names are given in [strategy.let] and [strategy.params]; \
                 `runner functions` lists the words of the language",
            ),
        }
    }

    fn meant_name(&mut self, name: &str) -> Option<String> {
        self.suggestions += 1;
        if self.suggestions > SUGGESTIONS_MAX {
            return None;
        }
        let own = self.params.keys().chain(self.lets.keys()).chain(&self.broken);
        if let Some(found) = meant(name, own.map(String::as_str)) {
            return Some(found.to_owned());
        }
        let function = || meant(name, Function::all().map(|function| function.row().name));
        let value = meant(name, value_names()).map(str::to_owned);
        value.or_else(|| function().map(|name| format!("{name}(..)")))
    }

    /// What is said of a call of something that is no function.
    pub(super) fn unknown_function(&mut self, name: &str, span: TextSpan) -> Fault {
        if self.lets.contains_key(name) || self.broken.contains(name) || is_value(name) {
            let fault = Fault::error(span, format!("`{name}` is a value, not a function"));
            return fault.help(format!("the value one bar ago is {name}[1]"));
        }
        if self.params.contains_key(name) {
            let fault = Fault::error(span, format!("`{name}` is a param, not a function"));
            return fault.help(format!("write {name} without brackets"));
        }
        let fault = Fault::error(span, format!("{} is not a function", quoted(name)));
        if let Some(why) = Function::absent(name) {
            return fault.help(why);
        }
        self.suggestions += 1;
        let functions = Function::all().map(|function| function.row().name);
        let found = if self.suggestions > SUGGESTIONS_MAX { None } else { meant(name, functions) };
        match found.and_then(Function::named) {
            Some(function) => fault.help(format!("did you mean {}?", function.row().signature())),
            None => fault.help("`runner functions` lists them"),
        }
    }
}

impl Number {
    /// Whether numbers like it can be equal.
    pub(super) fn exact(self) -> Exact {
        match self {
            Self::Integer(_) => Exact::Whole,
            Self::Float(_) => Exact::No,
        }
    }
}

fn value_names() -> impl Iterator<Item = &'static str> {
    let prices = Price::ALL.iter().map(|price| price.row().name);
    let clocks = Clock::ALL.iter().map(|clock| clock.row().name);
    let ledger = SlotValue::ALL.iter().map(|value| value.row().name);
    prices.chain(clocks).chain(ledger)
}

/// Whether a name is a value of the language.
pub(super) fn is_value(name: &str) -> bool {
    Price::named(name).is_some() || Clock::named(name).is_some() || SlotValue::named(name).is_some()
}

/// What to do about a name that is taken.
pub(super) const TAKEN: &str = "choose another name";
/// What a name is.
const NAMES_ARE: &str =
    "a name begins with a small letter, then small letters, digits and `_`, such as cross_up";

/// What to do about a name that cannot be one, for one of the reasons of this file.
pub(super) fn instead_of(name: &str) -> &'static str {
    if bad_name(name).is_some() { NAMES_ARE } else { TAKEN }
}

/// Why a text cannot name a rule, a param or a series.
pub(super) fn bad_name(name: &str) -> Option<String> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let like = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (!starts || name.len() > NAME_MAX || !name.bytes().all(like)).then(|| {
        format!(
            "{} is not a name: it begins with a small letter, then small letters, digits and `_`, at most {NAME_MAX}",
            quoted(name)
        )
    })
}

/// Why a name cannot be that of a rule, a param or a series.
pub(super) fn reserved_name(name: &str) -> Option<String> {
    let taken = WORDS.contains(&name) || value_names().any(|value| value == name);
    taken.then(|| format!("`{name}` is a word of the language"))
}
