//! The table of one run: its limits, and what happens when it fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::{Parsed, Size, Span};

/// Limits of one run, and what happens when it fails.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Run {
    /// The longest a run may take; without it, as long as it takes.
    pub timeout: Option<Parsed<Span>>,
    /// How long a run has between being asked to stop and being killed.
    pub grace: Parsed<Span>,
    /// The free disk space below which the job does not start.
    pub disk_free_min: Option<Parsed<Size>>,
    /// The most memory a run and each program it starts may ask for; more is refused to it. Address space, as in `ulimit -v`:
    /// what is less than the program itself needs to begin is refused.
    pub memory_max: Option<Parsed<Size>>,
    /// The nice value of a run: 0 is the usual one, 19 gives way to every other program.
    #[schemars(range(min = 0, max = 19))]
    pub nice: u32,
    /// A name that only one run on this box may hold, of whatever job, started by whomever.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"))]
    pub lock: Option<String>,
    /// How long a run waits for its lock before it ends with exit code 75.
    pub lock_wait: Parsed<Span>,
    /// A pool of `[pools]`: of all jobs that name it, the service runs no more at the same time than its size; the others wait, first those
    /// that were due first.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"))]
    pub pool: Option<String>,
    /// A run of the service that goes on for longer leads to a notice (`slow`), while it goes on.
    pub slow_after: Option<Parsed<Span>>,
    /// A run of the service that begins later after its slot leads to a notice (`late`).
    pub late_start: Option<Parsed<Span>>,
    /// Whether a run that was lost in a crash may simply be run again. Without it, as the kind has it: `exec`, `pipeline`, `promote` and
    /// `exchange-sim` may not, every other kind may.
    pub idempotent: Option<bool>,
    /// What the service does when a run fails.
    pub retry: Retry,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            timeout: None,
            grace: Parsed::new(Span::seconds(20)),
            disk_free_min: None,
            memory_max: None,
            nice: 0,
            lock: None,
            lock_wait: Parsed::new(Span::seconds(0)),
            pool: None,
            slow_after: None,
            late_start: None,
            idempotent: None,
            retry: Retry::default(),
        }
    }
}

words! {
    /// Why a run failed, as far as a retry may help.
    RetryOn {
        /// A negative verdict, exit code 1.
        Failed = "failed",
        /// A venue or host cannot be reached, 69.
        Unavailable = "unavailable",
        /// Input or output failed, 74.
        Io = "io",
        /// Another process held a lock, or the disk was too full to start, 75.
        Busy = "busy",
        /// The run took too long, 124.
        Timeout = "timeout",
        /// The run died: by a signal that this program did not send, or by a bug, 70.
        Crashed = "crashed",
    }
}

words! {
    /// How the pauses between attempts grow.
    Backoff {
        /// They stay as long as `delay`.
        Fixed = "fixed",
        /// Each is twice as long as the one before.
        Exponential = "exponential",
    }
}

/// What the service does when a run fails. A run that succeeds after a failed attempt is recorded as `flaky`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all; 1 means no retry, 0 means without end, for a loop that must always be up.
    pub attempts: u32,
    /// Which failures are tried again. Where it is not given, programs that fail are too: kinds `exec` and `pipeline` have `failed` in it.
    pub on: Vec<RetryOn>,
    /// The pause before the second attempt.
    pub delay: Parsed<Span>,
    /// How the pauses grow.
    pub backoff: Backoff,
    /// The longest pause.
    pub max_delay: Parsed<Span>,
    /// An attempt that lasted this long starts the count of attempts and the pauses again.
    pub reset_after: Parsed<Span>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 1,
            on: vec![
                RetryOn::Unavailable,
                RetryOn::Io,
                RetryOn::Busy,
                RetryOn::Timeout,
                RetryOn::Crashed,
            ],
            delay: Parsed::new(Span::seconds(2)),
            backoff: Backoff::Exponential,
            max_delay: Parsed::new(Span::seconds(60)),
            reset_after: Parsed::new(Span::seconds(600)),
        }
    }
}
