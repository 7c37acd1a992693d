//! Pipelines: several jobs and programs, each in a process of its own, in the order their needs allow.

pub(crate) mod job;
pub(crate) mod plan;
