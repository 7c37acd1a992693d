//! Deploys that cannot hurt the target: what would change there, and every reason against it. `commands` starts programs, `collect`
//! looks at both sides, `judge` decides on the facts alone, `execute` does it.

pub(super) mod argv;
pub(crate) mod assess;
mod collect;
pub(super) mod commands;
pub(super) mod compose;
mod connect;
mod deployed;
pub(crate) mod drift;
mod exclusions;
pub(crate) mod execute;
mod facts;
mod findings;
pub(super) mod git;
pub(crate) mod init;
pub(super) mod inventory;
mod judge;
mod rsync_output;
mod secrets;
mod target;
