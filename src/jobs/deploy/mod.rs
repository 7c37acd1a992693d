//! Deploys that cannot hurt the target: what would change there, and every reason against it. `commands` starts programs, `collect`
//! looks at both sides, `judge` decides on the facts alone, `execute` does it.

pub(super) mod argv;
pub mod assess;
mod collect;
pub(super) mod commands;
pub(super) mod compose;
mod connect;
mod deployed;
pub mod drift;
mod exclusions;
pub mod execute;
mod facts;
mod findings;
pub(super) mod git;
pub mod init;
pub(super) mod inventory;
mod judge;
mod rsync_output;
mod secrets;
mod target;
