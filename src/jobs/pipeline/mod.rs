//! Pipelines: several jobs and programs, each in a process of its own, in the order their needs allow.

pub mod job;
pub mod plan;
