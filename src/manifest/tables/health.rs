//! The table of healthcheck and heartbeat: what is well, and how it is reported.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::{Parsed, Size, Span, Time};
use crate::domain::ids::Tag;

words! {
    /// How strictly a box is judged. What fails is exit code 1 in both.
    HealthMode {
        /// A warning is exit code 0.
        Operator = "operator",
        /// A warning is exit code 1, a halted loop fails, and the ledger is folded unless `fold` says otherwise.
        Strict = "strict",
    }
}

words! {
    /// Which convention the exit code follows.
    HealthExit {
        /// Ours: 0 healthy, 1 not; 74 when the ledger cannot be read at all.
        Plain = "plain",
        /// Docker's `HEALTHCHECK`: 0 healthy, 1 not, and never another code.
        Docker = "docker",
        /// Nagios: 0 ok, 1 warning, 2 critical, 3 unknown, with a line of status first.
        Nagios = "nagios",
    }
}

words! {
    /// Whether a scheduler service is expected here.
    SchedulerWatch {
        /// When one has run here before.
        Auto = "auto",
        /// Always.
        Required = "required",
        /// Never.
        Off = "off",
    }
}

/// Whether the loop of a tag is alive and well, judged by what it leaves on the disk and never by its process. Of a loop that follows
/// `data/models/current`, which it reads at its start only, a check `model` warns once another one is in use.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Healthcheck {
    /// Storage namespace of LIVE.
    pub tag: Parsed<Tag>,
    /// How strictly the box is judged. A heartbeat is always `operator`.
    #[serde(default = "Healthcheck::operator")]
    pub mode: HealthMode,
    /// Which convention the exit code follows.
    #[serde(default = "Healthcheck::plain")]
    pub exit: HealthExit,
    /// Print the document `mjolnir.health/2` instead of the table.
    #[serde(default)]
    pub json: bool,
    /// Judge as of this instant instead of now: what was decided, seen or proved later is left out. For ledgers of recorded or
    /// simulated time, which are stale by the clock of this machine. Which model was in use then is not judged.
    pub at: Option<Time>,
    /// The last decision may be this many bars old, and `slack` more; else the check fails.
    #[serde(default = "Healthcheck::two_bars")]
    #[schemars(range(min = 1))]
    pub decision_age_bars: u32,
    /// The newest stored bar may be this many bars old, and `slack` more; else the check fails.
    #[serde(default = "Healthcheck::three_bars")]
    #[schemars(range(min = 1))]
    pub raw_age_bars: u32,
    /// What is added to an age in bars, and how far a stamp may be in the future.
    #[serde(default = "Healthcheck::two_minutes")]
    pub slack: Parsed<Span>,
    /// How many rows back `fetch_failed` and `persist_failed` warn.
    #[serde(default = "Healthcheck::tail_288")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tail: u32,
    /// Slots in a row that must have been decided in time, each one timeframe after the one before, before the cadence is well
    /// again after downtime.
    #[serde(default = "Healthcheck::twelve_bars")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub grace_bars: u32,
    /// A slot that was decided later than this after its close was not decided in time; without it, one timeframe.
    pub late_max: Option<Parsed<Span>>,
    /// Whether every row of the ledger is made again from its bars and must be the same to the byte, which takes a second for
    /// a long one. Needs `[strategy]`. Without it, in `strict` mode only, and where there is a `[strategy]`.
    pub fold: Option<bool>,
    /// The free disk space below which the check warns.
    #[serde(default = "Healthcheck::one_gib")]
    pub disk_free_warn: Parsed<Size>,
    /// The free disk space below which it fails.
    #[serde(default = "Healthcheck::few_mib")]
    pub disk_free_fail: Parsed<Size>,
    /// How far the clock of this machine may differ from the venue's before the check warns.
    #[serde(default = "Healthcheck::two_seconds")]
    pub clock_skew_max: Parsed<Span>,
    /// Whether a scheduler service is expected here.
    #[serde(default = "Healthcheck::auto")]
    pub scheduler: SchedulerWatch,
    /// The longest since the scheduler service last looked at its clock; else the check fails.
    #[serde(default = "Healthcheck::one_minute")]
    pub scheduler_age_max: Parsed<Span>,
    /// Whether the last eqflat counts: its FAIL fails, none at all and one that is too old warn.
    #[serde(default = "Healthcheck::yes")]
    pub eqflat: bool,
    /// How old the last eqflat may be.
    #[serde(default = "Healthcheck::three_hours")]
    pub eqflat_age_max: Parsed<Span>,
}

impl Healthcheck {
    fn operator() -> HealthMode {
        HealthMode::Operator
    }

    fn plain() -> HealthExit {
        HealthExit::Plain
    }

    fn auto() -> SchedulerWatch {
        SchedulerWatch::Auto
    }

    fn yes() -> bool {
        true
    }

    fn two_bars() -> u32 {
        2
    }

    fn three_bars() -> u32 {
        3
    }

    fn twelve_bars() -> u32 {
        12
    }

    fn tail_288() -> u32 {
        288
    }

    fn one_gib() -> Parsed<Size> {
        Parsed::new(Size::of_bytes(1 << 30))
    }

    fn few_mib() -> Parsed<Size> {
        Parsed::new(Size::of_bytes(64 << 20))
    }

    fn two_seconds() -> Parsed<Span> {
        Parsed::new(Span::seconds(2))
    }

    fn one_minute() -> Parsed<Span> {
        Parsed::new(Span::seconds(60))
    }

    fn two_minutes() -> Parsed<Span> {
        Parsed::new(Span::seconds(120))
    }

    fn three_hours() -> Parsed<Span> {
        Parsed::new(Span::seconds(3 * 3600))
    }
}
