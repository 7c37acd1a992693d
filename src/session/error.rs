//! What can end a session.

use std::path::PathBuf;

use thiserror::Error;

use super::{checkpoint, origin};
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

/// Why a certificate is not one that a ledger can have.
#[derive(Debug, Error)]
pub enum OriginError {
    #[error("{0}: {repair}", repair = origin::REPAIR)]
    Json(serde_json::Error),
    #[error("schema `{0}`, expected `{expected}`", expected = origin::SCHEMA)]
    Schema(String),
    #[error("it was changed after it was written, its sha256 is another one: {repair}", repair = origin::REPAIR)]
    Changed,
}

/// Why a start does not go on from a checkpoint. It is never an error of the ledger: then every row is played, and that says what is wrong.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// It, or what it leads to, could not be read.
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("it has {0} bytes, more than a checkpoint has")]
    TooLong(u64),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("schema `{0}`, expected `{expected}`", expected = checkpoint::SCHEMA)]
    Schema(String),
    #[error("it was changed after it was written")]
    Changed,
    /// A value that a state, or a place in a file, cannot have.
    #[error("a value in it is not possible")]
    Impossible,
    #[error("it is by build {theirs}, this is {ours}")]
    OtherBuild { theirs: String, ours: String },
    #[error("it is by other settings")]
    OtherSettings,
    #[error("it is of another ledger: its origin.json is not this one")]
    OtherLedger,
    #[error("decisions.csv is missing beside it")]
    NoDecisions,
    /// A file of the ledger has fewer bytes than were proved.
    #[error("it is ahead of {0}, which is shorter")]
    Ahead(&'static str),
    #[error("its last row is not in decisions.csv where it should be")]
    NoLastRow,
    #[error("there were more commands when it was written")]
    FewerCommands,
    #[error("a command that it knows was changed")]
    ChangedCommand,
    #[error("there is a new command for a slot that was decided before")]
    LateCommand,
    #[error("it knows of no signals")]
    NoSignals,
    #[error("the copy of the signals had more rows when it was written")]
    FewerSignals,
    #[error("a signal that it knows was changed")]
    ChangedSignal,
    #[error("there is a new signal for a slot that was decided before")]
    LateSignal,
}

impl From<StoreError> for CheckpointError {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

/// So many differences are named: of another strategy every setting differs.
const NAMED: usize = 4;

fn list(differences: &[(String, String, String)]) -> String {
    let differences = origin::in_words(differences);
    let mut named: Vec<String> = differences.iter().take(NAMED).map(ToString::to_string).collect();
    if let Some(more) = differences.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    named.join("; ")
}
