//! Run records: one row per execution in an embedded database, and one folder with what the run was given and what it left.

mod folder;
mod records;

pub use folder::{Input, RunFolder, RunInfo};
pub use records::{End, Filter, Run, RunState, RunStore, Start};
