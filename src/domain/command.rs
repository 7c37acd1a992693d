//! Operator commands: inputs of the engine, written to a ledger of their own so that a backtest can replay them.

use std::{collections::BTreeSet, fmt, str::FromStr};

use thiserror::Error;

use super::{ids::ModelId, time::UtcMs};

/// How a switch of models begins.
const MODEL: &str = "model";
/// How a revocation begins.
const REVOKE: &str = "revoke";
/// Line of a commands ledger that the first command is on; the header is before it.
const FIRST_LINE: u64 = 2;

/// What an operator may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommandKind {
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
    /// The command on this line of the ledger, which is planned, never takes effect.
    Revoke(u64),
}

impl CommandKind {
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
            Self::Revoke(_) => REVOKE,
        }
    }

    /// The model it switches to.
    pub const fn model(self) -> Option<ModelId> {
        match self {
            Self::Halt | Self::Reduce | Self::Resume | Self::Flatten | Self::Revoke(_) => None,
            Self::Model(id) => Some(id),
        }
    }

    /// Whether it says how the loop stands: neither a switch of models nor a revocation.
    pub const fn is_stance(self) -> bool {
        match self {
            Self::Halt | Self::Reduce | Self::Resume | Self::Flatten => true,
            Self::Model(_) | Self::Revoke(_) => false,
        }
    }
}

/// A word that is no order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a command: use halt, reduce, resume or flatten; `runner revoke` writes revoke:LINE, LIVE itself model:ID"
)]
pub struct UnknownCommand(String);

impl FromStr for CommandKind {
    type Err = UnknownCommand;

    fn from_str(text: &str) -> Result<Self, UnknownCommand> {
        let unknown = || UnknownCommand(text.to_owned());
        match text.split_once(':') {
            Some((MODEL, id)) => return id.parse().map(Self::Model).map_err(|_| unknown()),
            Some((REVOKE, line)) => {
                let line = line.parse().ok().filter(|n: &u64| n.to_string() == line);
                return line.map(Self::Revoke).ok_or_else(unknown);
            }
            Some(_) | None => {}
        }
        Self::ALL.into_iter().find(|o| o.name() == text).ok_or_else(unknown)
    }
}

impl fmt::Display for CommandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halt | Self::Reduce | Self::Resume | Self::Flatten => f.write_str(self.name()),
            Self::Model(id) => write!(f, "{MODEL}:{id}"),
            Self::Revoke(line) => write!(f, "{REVOKE}:{line}"),
        }
    }
}

/// One order and its time. It takes effect at the first slot that closes at or after it, whatever else is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its time; that of a revocation is the time of the command it revokes.
    pub at: UtcMs,
    pub order: CommandKind,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who gave it.
    pub who: String,
}

/// The line of a commands ledger that its `n`th command is on, counted from 0.
pub const fn line_of(n: usize) -> u64 {
    n as u64 + FIRST_LINE
}

/// The place among the commands of a ledger that a line has.
pub fn place_of(line: u64) -> Option<usize> {
    line.checked_sub(FIRST_LINE).and_then(|n| n.try_into().ok())
}

/// The commands of a ledger that take effect, in the order in which they do: by their time, of equals by the order of appending.
/// What is revoked is left out, and so are revocations. Each comes with its place in the ledger.
pub fn in_order_of_effect(commands: &[Command]) -> Vec<(usize, &Command)> {
    let revoked = |command: &Command| match command.order {
        CommandKind::Revoke(line) => place_of(line),
        CommandKind::Halt
        | CommandKind::Reduce
        | CommandKind::Resume
        | CommandKind::Flatten
        | CommandKind::Model(_) => None,
    };
    let gone: BTreeSet<usize> = commands.iter().filter_map(revoked).collect();
    let stays = |(n, command): &(usize, &Command)| {
        !gone.contains(n) && !matches!(command.order, CommandKind::Revoke(_))
    };
    let mut all: Vec<(usize, &Command)> = commands.iter().enumerate().filter(stays).collect();
    all.sort_by_key(|(_, command)| command.at);
    all
}

/// What a person last ordered of a loop, of that which takes effect at or before an instant.
pub fn in_force(commands: &[Command], until: UtcMs) -> Option<&Command> {
    let all = in_order_of_effect(commands).into_iter().rev();
    all.map(|(_, command)| command).find(|command| command.at <= until && command.order.is_stance())
}
