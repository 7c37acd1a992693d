//! How a job ends: its outcome, or the failure that kept it from its work.

use std::collections::BTreeMap;

use crate::exit::Exit;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code.
    pub exit: Exit,
    /// One line for the run record.
    pub summary: String,
    /// The result, for stdout.
    pub text: String,
    /// Values that other steps can refer to as `${steps.id.out.key}`.
    pub out: BTreeMap<String, String>,
}

/// Why a job could not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What, where, why and what to do next.
    pub message: String,
}

impl Failure {
    /// A failure with this code and message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}
