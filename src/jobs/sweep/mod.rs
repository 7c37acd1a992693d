//! The sweep: a pure plan and a pure judgement, and a shell that plays what is missing between them.

mod again;
mod carried;
pub mod cluster;
mod dispatch;
mod engines;
pub mod folder;
pub mod job;
mod judge;
pub mod last;
mod merged;
mod nulls;
pub mod plan;
mod play;
mod probe;
pub mod report;
pub mod results;
pub mod searches;
pub mod shard;
mod slurm;
pub mod status;
pub mod submits;
mod walk;
pub mod workload;
