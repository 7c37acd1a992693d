//! Run records: one row per execution in an embedded database, and one folder with what the run was given and what it left.

mod folder;
mod planned;
mod records;
mod schema;
mod state;

pub use folder::{Given, Input, RunFolder, RunInfo};
pub use planned::{Decided, Pause};
pub use records::{End, Filter, Run, RunStore, Start};
pub use state::RunState;
