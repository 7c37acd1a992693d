//! The table of a schedule: when the service runs a job.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::{
    super::values::{Parsed, Span},
    params::Scalar,
};
use crate::domain::{cadence::Cron, zone::Zone};

words! {
    /// An event that a job runs on.
    StartOn {
        /// The service starts.
        Start = "start",
        /// The machine was started: at most once for each start, however often the service is started. The old `@reboot`.
        Boot = "boot",
    }
}

words! {
    /// How a day is chosen when day of month and day of week are both restricted.
    DayMatchWord {
        /// Either suffices, as in cron.
        Or = "or",
        /// Both are needed.
        And = "and",
    }
}

words! {
    /// What becomes of a time that the clocks jump over in spring.
    GapWord {
        /// It is due right after the jump.
        Shift = "shift",
        /// It is not due that day.
        Skip = "skip",
    }
}

words! {
    /// What happens when a slot is due and the slot before it still runs, also after a restart of the service.
    Overlap {
        /// The new slot is recorded as `skipped_overlap`.
        Forbid = "forbid",
        /// The newest slot waits; one that waited already is recorded as `superseded`.
        Queue = "queue",
        /// The run is stopped and recorded as `cancelled`; then the new slot runs.
        Replace = "replace",
        /// Both run.
        Allow = "allow",
    }
}

words! {
    /// Which of the slots that came while the service was down are run after all. The others are recorded as `missed`.
    Backlog {
        /// None of them.
        None = "none",
        /// The newest one.
        Latest = "latest",
        /// All of them, the oldest first; one after the other unless `overlap` is `allow`.
        All = "all",
    }
}

/// When `runner serve` runs the job: by `cron`, `every` or `on`. Every slot that is due gets exactly one record.
///
/// Daylight saving: when clocks are set back, a cron line with one fixed minute and hour runs once, at the first pass; any
/// other line, such as `*/5 * * * *`, runs in both passes. For times that clocks jump over, see `gap`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in super::super) struct ScheduleTable {
    /// What records call it; its place among the schedules of the job when absent, from 1.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"))]
    pub id: Option<String>,
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron: Option<Parsed<Cron>>,
    /// At every whole multiple of this since 1970, in UTC; at least `1s`.
    pub every: Option<Parsed<Span>>,
    /// On an event.
    pub on: Option<StartOn>,
    /// The time zone in which `cron` is read, such as `Europe/Berlin`; `UTC` when absent.
    pub timezone: Option<Parsed<Zone>>,
    /// Needed when `cron` restricts both the day of the month and the day of the week.
    pub day_match: Option<DayMatchWord>,
    /// What becomes of a time of `cron` that the clocks jump over in spring; `shift` when absent.
    pub gap: Option<GapWord>,
    /// What happens when a slot is due and the slot before it still runs.
    #[serde(default = "ScheduleTable::overlap")]
    pub overlap: Overlap,
    /// Which slots are run after all that came while the service was down or the machine slept.
    #[serde(default = "ScheduleTable::backlog")]
    pub catch_up: Backlog,
    /// Slots older than this are not caught up.
    #[serde(default = "ScheduleTable::window")]
    pub catch_up_window: Parsed<Span>,
    /// Most slots that are caught up, the newest ones.
    #[serde(default = "ScheduleTable::max")]
    #[schemars(range(min = 1, max = 10_000))]
    pub catch_up_max: u32,
    /// A delay within this, always the same for the same schedule on the same machine, so that not everything starts at once.
    #[serde(default = "ScheduleTable::jitter")]
    pub jitter: Parsed<Span>,
    /// Parameters of the job. A variable beats them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Scalar>")]
    pub params: BTreeMap<String, toml::Value>,
    /// Profiles of the job, as `-P` would give them.
    #[serde(default)]
    pub profile: Vec<String>,
    /// Parameters that must have a value, or the schedule is off: `runner next` says which one has none. For a job that
    /// cannot run before an operator has set it up.
    #[serde(default)]
    pub needs: Vec<String>,
}

impl ScheduleTable {
    fn overlap() -> Overlap {
        Overlap::Forbid
    }

    fn backlog() -> Backlog {
        Backlog::Latest
    }

    fn window() -> Parsed<Span> {
        Parsed::new(Span::seconds(86_400))
    }

    fn max() -> u32 {
        100
    }

    fn jitter() -> Parsed<Span> {
        Parsed::new(Span::seconds(0))
    }
}
