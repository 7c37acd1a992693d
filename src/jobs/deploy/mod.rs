//! Deploys that cannot hurt the target: what would change there, and every reason against it. Programs are started by `hands`,
//! everything that is decided is decided by `judge`, on `facts`.

pub mod act;
pub(super) mod argv;
pub(super) mod compose;
mod deployed;
pub mod drift;
mod facts;
mod finding;
mod gather;
pub(super) mod git;
pub(super) mod hands;
mod host_key;
pub mod init;
mod inventory;
mod itemize;
pub mod job;
mod judge;
mod links;
mod listing;
mod look;
pub(super) mod names;
mod plan;
mod reach;
mod report;
mod secrets;
mod shields;
mod stands;
mod there_lock;
mod writers;
