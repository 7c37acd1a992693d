//! Operator commands: inputs of the engine, written to a ledger of their own so that a backtest can replay them.

use std::{fmt, str::FromStr};

use thiserror::Error;

use super::{model_id::ModelId, time::UtcMs};

/// How a switch of models begins.
const MODEL: &str = "model";

/// What an operator may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// No decisions until `resume`; stops go on protecting an open position.
    Halt,
    /// No entries until `resume`; exits go on.
    Reduce,
    /// Back to normal after a halt or a tripped limit; counters of the limits start again.
    Resume,
    /// Close the position at the next fill, then stay halted.
    Flatten,
    /// Another model speaks from then on. LIVE gives it to itself at a start; nobody else does.
    Model(ModelId),
}

impl Order {
    /// Every order that a person gives.
    pub const ALL: [Self; 4] = [Self::Halt, Self::Reduce, Self::Resume, Self::Flatten];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Reduce => "reduce",
            Self::Resume => "resume",
            Self::Flatten => "flatten",
            Self::Model(_) => MODEL,
        }
    }

    /// The model it switches to.
    pub const fn model(self) -> Option<ModelId> {
        match self {
            Self::Halt | Self::Reduce | Self::Resume | Self::Flatten => None,
            Self::Model(id) => Some(id),
        }
    }
}

/// A word that is no order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a command: use halt, reduce, resume or flatten; LIVE itself writes model:ID")]
pub struct UnknownOrder(String);

impl FromStr for Order {
    type Err = UnknownOrder;

    fn from_str(text: &str) -> Result<Self, UnknownOrder> {
        if let Some((MODEL, id)) = text.split_once(':') {
            return id.parse().map(Self::Model).map_err(|_| UnknownOrder(text.to_owned()));
        }
        Self::ALL
            .into_iter()
            .find(|o| o.name() == text)
            .ok_or_else(|| UnknownOrder(text.to_owned()))
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halt | Self::Reduce | Self::Resume | Self::Flatten => f.write_str(self.name()),
            Self::Model(id) => write!(f, "{MODEL}:{id}"),
        }
    }
}

/// One order and when it was given. It takes effect at the first undecided slot that closes at or after that instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// When it was given.
    pub at: UtcMs,
    /// What was ordered.
    pub order: Order,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who gave it.
    pub who: String,
}
