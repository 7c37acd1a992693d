//! The rule language: a strategy is text. Text becomes a tree with places, then checked terms, then a program for what depends on
//! bars alone and a few nodes for what is decided slot by slot. No files, no clock.

mod bounds;
mod check;
mod decision;
mod features;
pub mod functions;
mod instance;
mod intent;
pub mod kernels;
mod op;
mod parse;
mod problem;
mod program;
mod raw;
mod reach;
mod rule;
mod running;
mod strategy;
mod term;
mod token;
mod values;
mod why;

pub use decision::{BARS_SINCE_EXIT_MAX, DecisionInputs, Held, LedgerState};
pub use features::{FEATURES_MAX, Features, Together};
pub use instance::Instance;
pub use intent::{Hush, Intent, NO_RANGE, NO_SIGNAL, Protection};
pub use parse::{DEPTH_MAX, TEXT_MAX};
pub use problem::{RuleProblem, Severity};
pub use raw::{Number, RawDistances, RawParam, RawProtect, RawRule, RawSize, RawStrategy, Values};
pub use reach::Derivation;
pub use rule::{Kind, Rule, Sides, SizeMode, SizeRule};
pub use strategy::{CheckedStrategy, WARM_UP_MAX, allows, check};
pub use values::SlotValue;
pub use why::{Clause, RuleWhy, Why};

#[cfg(test)]
mod tests;
