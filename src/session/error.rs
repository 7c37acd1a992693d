//! What can end a session.

use std::path::PathBuf;

use thiserror::Error;

use crate::{
    domain::command::Command,
    store::{error::StoreError, ledger::NotLater},
};

/// A failure of a session. After it the session is over: leave, restart, recover from the files.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The store failed, or a file in it is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row that would not increase `ts_ms`.
    #[error(transparent)]
    NotLater(#[from] NotLater),
    /// The birth certificate makes no sense.
    #[error("origin.json: {0}")]
    Origin(String),
    /// There are rows but no birth certificate.
    #[error("{} is missing, but the ledger beside it has rows: restore it, or start a new tag", .0.display())]
    NoOrigin(PathBuf),
    /// The ledger was begun with other settings.
    #[error(
        "this ledger started with other settings ({}): restore them, by the same -P STRATEGY and -p NAME=VALUE as then, or use a new tag",
        list(.0)
    )]
    OtherSettings(Vec<(String, String, String)>),
    /// A command dated at or before a slot that is decided already.
    #[error(
        "the command `{}` of {} is dated at or before the last decided slot, so a replay could not obey it where LIVE would: give it again",
        .0.order, .0.at
    )]
    LateCommand(Command),
    /// A line that this process had read is another one now, or gone.
    #[error(
        "line {0} of the commands ledger is not what it was when this process read it: restore the line; commands are given and revoked with their verbs, which append"
    )]
    ChangedCommand(u64),
    /// A switch to a model that was not loaded at the start.
    #[error(
        "the commands ledger has `{}` from {} on, given after this process had loaded its models: start it again, and it knows it",
        .0.order, .0.at
    )]
    UnknownModel(Command),
}

/// So many differences are named: of another strategy every setting differs.
const NAMED: usize = 4;

fn list(differences: &[(String, String, String)]) -> String {
    let written =
        |value: &str| if value == "-" { "not there".to_owned() } else { value.to_owned() };
    let one = |(key, now, first): &(String, String, String)| {
        format!("{key} is {}, was {}", written(now), written(first))
    };
    let mut named: Vec<String> = differences.iter().take(NAMED).map(one).collect();
    if let Some(more) = differences.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    named.join("; ")
}
