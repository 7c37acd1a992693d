//! Run records: one row per execution in an embedded database, and one folder with what the run was given and what it left.

mod counts;
mod folder;
mod incidents;
mod planned;
mod records;
mod retention;
mod schema;
mod state;
mod watermark;

pub use counts::Count;
pub use folder::{Given, Input, RunFolder, RunInfo};
pub use incidents::{Incident, IncidentId, Recovery, Trouble};
pub use planned::{Decided, Pause};
pub use records::{End, Filter, Run, RunStore, Start};
pub use retention::{Keep, Sweeper, Swept};
pub use state::RunState;
pub use watermark::{Ahead, TakenBack};
