//! Pipelines: several jobs and programs, each in a process of its own, in the order their needs allow.

pub(crate) mod again;
pub(crate) mod child;
pub(crate) mod fresh;
pub(crate) mod job;
pub(crate) mod outcome;
pub(crate) mod plan;
