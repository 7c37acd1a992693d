//! A checked expression: names are resolved, params and lengths are numbers, types fit. Its text is the canonical one.

use std::fmt::{self, Write as _};

use super::{
    bounds::Bounds,
    functions::Back,
    kernels::window::Length,
    op::Op,
    problem::TextSpan,
    values::{Clock, Price, SlotValue},
};
use crate::domain::time::Timeframe;

/// Number or truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Number,
    Truth,
}

/// One node of a checked expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub(super) span: TextSpan,
    pub(super) what: What,
    pub(super) ty: Type,
    pub(super) unit: Unit,
    pub(super) exact: Exact,
    pub(super) bounds: Bounds,
    /// Its value, where that is the same at every bar.
    pub(super) constant: Option<f64>,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A number or a truth, which is [`Term::constant`].
    Constant,
    Price(Price),
    Clock(Clock),
    /// A name of `[strategy.let]`.
    Let(String),
    Slot(SlotValue),
    /// `signal('name')`.
    Signal(String),
    /// An operation on one bar.
    Op(Op, Vec<Term>),
    /// A function that looks back.
    Back(Call),
    /// The value of some bars ago.
    Ago(Box<Term>, Length),
    /// The value on bars of a longer timeframe.
    Tf(Timeframe, Box<Term>),
}

/// A call of a function that looks back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) back: Back,
    pub(super) inputs: Vec<Term>,
    pub(super) lengths: Vec<Length>,
    pub(super) factor: Option<f64>,
}

impl Term {
    /// The terms directly below.
    pub(super) fn below(&self) -> &[Self] {
        match &self.what {
            What::Op(_, parts) => parts,
            What::Back(call) => &call.inputs,
            What::Ago(inner, _) | What::Tf(_, inner) => std::slice::from_ref(inner),
            What::Constant
            | What::Price(_)
            | What::Clock(_)
            | What::Let(_)
            | What::Slot(_)
            | What::Signal(_) => &[],
        }
    }

    /// Whether it has a state: it looks at bars before.
    pub(super) fn looks_back(&self) -> bool {
        match self.what {
            What::Back(_) | What::Ago(..) | What::Tf(..) => true,
            What::Op(..)
            | What::Constant
            | What::Price(_)
            | What::Clock(_)
            | What::Let(_)
            | What::Slot(_)
            | What::Signal(_) => false,
        }
    }

    /// Calls something for it and everything below, itself first. `true` from it goes on below.
    pub(super) fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Self) -> bool) {
        if see(self) {
            for part in self.below() {
                part.visit(see);
            }
        }
    }

    /// How strongly its outermost operator binds.
    pub(super) fn strength(&self) -> u8 {
        match &self.what {
            What::Op(op, _) => op.strength(),
            What::Constant if self.constant.is_some_and(f64::is_sign_negative) => {
                Op::Negate.strength()
            }
            What::Constant
            | What::Price(_)
            | What::Clock(_)
            | What::Let(_)
            | What::Slot(_)
            | What::Signal(_)
            | What::Back(_)
            | What::Ago(..)
            | What::Tf(..) => 9,
        }
    }

    /// Writes a part that has to bind at least this strongly.
    fn write(&self, f: &mut fmt::Formatter<'_>, strength: u8) -> fmt::Result {
        if self.strength() < strength {
            return write!(f, "({self})");
        }
        write!(f, "{self}")
    }

    fn operation(f: &mut fmt::Formatter<'_>, op: Op, parts: &[Self]) -> fmt::Result {
        let strength = op.strength();
        match (op.sign(), parts) {
            (Some(sign), [a, b]) => {
                // A comparison has no comparison beside it.
                a.write(f, strength + u8::from(op.compares()))?;
                write!(f, " {sign} ")?;
                b.write(f, strength + 1)
            }
            (None, [a]) if op == Op::Negate => {
                f.write_char('-')?;
                a.write(f, strength)
            }
            (None, [a]) if op == Op::Not => {
                f.write_str("not ")?;
                a.write(f, strength)
            }
            _ => {
                f.write_str(function_name(op))?;
                list(f, parts.iter())
            }
        }
    }
}

fn function_name(op: Op) -> &'static str {
    super::functions::Function::Op(op).row().name
}

fn list(f: &mut fmt::Formatter<'_>, parts: impl Iterator<Item = impl fmt::Display>) -> fmt::Result {
    f.write_char('(')?;
    for (at, part) in parts.enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{part}")?;
    }
    f.write_char(')')
}

/// A number as canonical texts write it: without a point if it is whole.
pub(super) fn number(x: f64) -> String {
    const WHOLE_MAX: f64 = 1e15;
    if x.fract() == 0.0 && x.abs() < WHOLE_MAX { format!("{x:.0}") } else { format!("{x:?}") }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Constant => match (self.ty, self.constant) {
                (Type::Truth, Some(x)) => write!(f, "{}", x == 1.0),
                (_, x) => f.write_str(&number(x.unwrap_or(f64::NAN))),
            },
            What::Price(price) => f.write_str(price.row().name),
            What::Clock(clock) => f.write_str(clock.row().name),
            What::Let(name) => f.write_str(name),
            What::Slot(value) => f.write_str(value.row().name),
            What::Signal(name) => write!(f, "signal('{name}')"),
            What::Op(op, parts) => Self::operation(f, *op, parts),
            What::Back(Call { back, inputs, lengths, factor }) => {
                f.write_str(back.row().name)?;
                let texts = inputs.iter().map(Self::to_string);
                let numbers = lengths.iter().map(|n| n.get().to_string());
                list(f, texts.chain(numbers).chain(factor.map(number)))
            }
            What::Ago(inner, n) => {
                inner.write(f, 9)?;
                write!(f, "[{}]", n.get())
            }
            What::Tf(timeframe, inner) => write!(f, "tf('{timeframe}', {inner})"),
        }
    }
}

/// Powers of a price and of a volume; `None` fits every kind: zero, and what no kind is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit(Option<(i8, i8)>);

impl Unit {
    pub(super) const ANY: Self = Self(None);
    pub(super) const PURE: Self = Self(Some((0, 0)));
    pub(super) const PRICE: Self = Self(Some((1, 0)));
    pub(super) const VOLUME: Self = Self(Some((0, 1)));

    /// Whether the two may be compared and added.
    pub(super) fn fits(self, other: Self) -> bool {
        self.0.is_none() || other.0.is_none() || self.0 == other.0
    }

    /// That of a sum or a choice of the two.
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    pub(super) fn times(self, other: Self) -> Self {
        self.with(other, i8::saturating_add)
    }

    pub(super) fn per(self, other: Self) -> Self {
        self.with(other, i8::saturating_sub)
    }

    fn with(self, other: Self, join: impl Fn(i8, i8) -> i8) -> Self {
        let both = self.0.zip(other.0);
        Self(both.map(|((price, volume), (p, v))| (join(price, p), join(volume, v))))
    }

    /// That of a square root.
    pub(super) fn root(self) -> Self {
        let even = |(price, volume): &(i8, i8)| price % 2 == 0 && volume % 2 == 0;
        Self(self.0.filter(even).map(|(price, volume)| (price / 2, volume / 2)))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("a number of any kind"),
            Some((0, 0)) => f.write_str("a pure number"),
            Some((1, 0)) => f.write_str("a price"),
            Some((0, 1)) => f.write_str("a volume"),
            Some((1, 1)) => f.write_str("a price times a volume"),
            Some((price, volume)) => write!(f, "price^{price} volume^{volume}"),
        }
    }
}

/// Whether two numbers of a kind can be equal other than by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exact {
    /// A whole number: a count, an hour.
    Whole,
    /// A number as it stands in a bar, such as a high, or the highest of them.
    Taken,
    /// A calculated one.
    No,
}

impl Exact {
    /// What is chosen from the two.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_multiply_and_divide() {
        let money = Unit::PRICE.times(Unit::VOLUME);
        assert_eq!(money.to_string(), "a price times a volume");
        assert_eq!(money.per(Unit::VOLUME), Unit::PRICE);
        assert_eq!(Unit::PRICE.per(Unit::PRICE), Unit::PURE);
        assert_eq!(Unit::PRICE.times(Unit::PRICE).root(), Unit::PRICE);
        assert_eq!(Unit::PRICE.root(), Unit::ANY);
        assert_eq!(Unit::PRICE.per(Unit::VOLUME).to_string(), "price^1 volume^-1");
        assert!(Unit::ANY.fits(Unit::PRICE) && !Unit::PURE.fits(Unit::PRICE));
    }
}
