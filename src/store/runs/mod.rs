//! Run records: one row per execution in an embedded database, and one folder with what the run was given and what it left.

mod approvals;
mod folder;
mod incidents;
mod notices;
mod pauses;
mod planned;
mod records;
mod schema;
mod steps;

pub use folder::{Keep, Sweeper, Swept};
pub use folder::{RunArguments, RunAsked, RunFolder, RunInfo, RunInput};
pub use incidents::{Incident, IncidentId, IncidentKind, Recovery};
pub use notices::{NewNotice, NoticePlace, NoticeState, StoredNotice};
pub use pauses::{Pause, PauseEnd};
pub use planned::DecidedSchedule;
pub use planned::{Ahead, TakenBack};
pub use records::{FigureOrder, RunCount, RunEnd, RunFilter, RunRecord, RunStart, RunStore};
pub use schema::RunState;
pub use steps::{
    Approval, RetryPart, StepApproval, StepRecord, StepState, StepTask, StepsRecord, StepsRetry,
};
