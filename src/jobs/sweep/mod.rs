//! The sweep: a pure plan and a pure judgement, and a shell that plays what is missing between them.

pub mod folder;
pub mod job;
mod judge;
pub mod last;
pub mod look;
mod nulls;
pub mod plan;
mod play;
pub mod report;
pub mod results;
pub mod searches;
mod walk;
pub mod workload;
