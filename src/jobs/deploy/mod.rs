//! Deploys that cannot hurt the target: what would change there, and every reason against it. `commands` starts programs, `collect`
//! looks at both sides, `judge` decides on the facts alone, `execute` does it.

pub(crate) mod assess;
mod collect;
pub(super) mod compose;
pub(crate) mod connect;
mod deployed;
pub(crate) mod drift;
pub(crate) mod execute;
mod facts;
mod findings;
pub(super) mod git;
pub(super) mod inventory;
mod judge;
pub(super) mod programs;
mod rsync_output;
mod target;
