//! What a checked strategy is made of besides its expressions: rules, sides, the size of a position.

use rust_decimal::Decimal;

use crate::{
    domain::decision::{Reason, Side},
    setting::words,
};

words! {
    /// The sides a strategy may take.
    Sides {
        /// Long and short.
        Both = "both",
        /// Long only: entry rules of the other side are dropped.
        Long = "long",
        /// Short only.
        Short = "short",
    }
}

impl Sides {
    /// Whether `side` is among them.
    pub const fn allow(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Both, _) | (Self::Long, Side::Long) | (Self::Short, Side::Short)
        )
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|sides| sides.name() == name)
    }

    /// What is in both.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Both, sides) | (sides, Self::Both) => Some(sides),
            (Self::Long, Self::Long) | (Self::Short, Self::Short) => Some(self),
            (Self::Long, Self::Short) | (Self::Short, Self::Long) => None,
        }
    }

    /// The sides, long first.
    pub(super) fn each(self) -> impl Iterator<Item = Side> {
        [Side::Long, Side::Short].into_iter().filter(move |side| self.allow(*side))
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It enters.
    Enter,
    /// It leaves.
    Exit,
}

impl Kind {
    /// Its key in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Exit => "exit",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What it does.
    pub kind: Kind,
    /// Its name: the reason of the row.
    pub name: Reason,
    /// The sides it is for; of an entry one.
    pub sides: Sides,
}

/// How large a position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeMode {
    /// `account.notional`.
    Fixed,
    /// So many percent of the equity.
    Percent(Decimal),
    /// So that the first stop loses so many percent of the equity.
    Risk(Decimal),
}

/// `[strategy.size]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeRule {
    /// How large a position is.
    pub mode: SizeMode,
    /// The largest value of a position.
    pub max_notional: Option<Decimal>,
}

impl SizeRule {
    /// Whether it depends on the equity.
    pub const fn reads_equity(&self) -> bool {
        match self.mode {
            SizeMode::Fixed => false,
            SizeMode::Percent(_) | SizeMode::Risk(_) => true,
        }
    }
}
