//! Deploys that cannot hurt the target: what would change there, and every reason against it. Programs are started by `hands`,
//! everything that is decided is decided by `judge`, on `facts`.

mod argv;
mod compose;
mod deployed;
mod facts;
mod finding;
mod gather;
mod git;
mod hands;
mod host_key;
mod inventory;
mod itemize;
pub mod job;
mod judge;
mod links;
mod listing;
mod names;
mod plan;
mod reach;
mod report;
mod secrets;
mod shields;
