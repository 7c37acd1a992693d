//! How a run stands.

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunState {
    /// Recorded, and to be started: now, or when its time has come.
    Queued,
    /// Going on.
    Running,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended with exit code 0, after an attempt that failed.
    Flaky,
    /// Ended with another exit code.
    Failed,
    /// Ended by its time limit.
    TimedOut,
    /// Ended by an operator, by the end of the service, or by a newer slot that took its place.
    Cancelled,
    /// Ended by a bug.
    Panicked,
    /// Not run: the scheduler was not running when it was due, and it is too late.
    Missed,
    /// Not run: the slot before still ran.
    SkippedOverlap,
    /// Not run: a newer slot took its place in the queue.
    Superseded,
    /// Not run: paused, the disk too full, or its lock held.
    SkippedPrecondition,
    /// Its process is gone and nobody recorded how it ended.
    Lost,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 13] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Flaky,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Panicked,
        Self::Missed,
        Self::SkippedOverlap,
        Self::Superseded,
        Self::SkippedPrecondition,
        Self::Lost,
    ];

    /// Whether somebody may want to know why a run ended like this.
    pub const fn went_wrong(self) -> bool {
        match self {
            Self::Failed | Self::TimedOut | Self::Panicked | Self::Lost => true,
            Self::Queued
            | Self::Running
            | Self::Succeeded
            | Self::Flaky
            | Self::Cancelled
            | Self::Missed
            | Self::SkippedOverlap
            | Self::Superseded
            | Self::SkippedPrecondition => false,
        }
    }

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Flaky => "flaky",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
            Self::Missed => "missed",
            Self::SkippedOverlap => "skipped_overlap",
            Self::Superseded => "superseded",
            Self::SkippedPrecondition => "skipped_precondition",
            Self::Lost => "lost",
        }
    }

    /// Whether nothing more happens to a run that stands like this.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl std::str::FromStr for RunState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|known| known.name() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|state| state.name()).collect();
            format!(
                "`{}` is not a state of a run; the states are {}",
                text.escape_debug(),
                known.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_what_nobody_wanted_and_nobody_ordered() {
        let wrong: Vec<&str> =
            RunState::ALL.iter().filter(|s| s.went_wrong()).map(|s| s.name()).collect();
        assert_eq!(wrong, ["failed", "timed_out", "panicked", "lost"]);
    }
}
