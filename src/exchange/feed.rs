//! What a live loop asks of a venue.

use thiserror::Error;

use super::venue::answer::Class;
use crate::domain::{
    bar::Shown,
    time::{SlotTs, Steady, UtcMs},
};

/// Why a venue did not answer with bars.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{venue} gave no bars: {why} ({url})")]
pub struct FeedError {
    /// The venue.
    pub venue: String,
    /// What was asked, without secrets.
    pub url: String,
    /// What can be done about it.
    pub class: Class,
    /// What was wrong.
    pub why: String,
    /// The venue wants to be left alone for so long, milliseconds.
    pub pause_ms: Option<i64>,
}

/// A source of recent bars.
pub trait Feed {
    /// The bars that close at `since` or later, as known at `now`, in any order, the newest possibly still forming.
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Shown, FeedError>;

    /// When the feed has nothing more to tell; `None` for a venue that goes on.
    fn ends(&self) -> Option<UtcMs>;

    /// What time the venue's answers so far say that it is at `up`.
    fn heard(&self, _up: Steady) -> Option<Heard> {
        None
    }
}

/// The time of a venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// What time it is there.
    pub at: UtcMs,
    /// Whether enough answers agree on it. One alone may be wrong.
    pub is_sure: bool,
}

/// Time, as the loop has it, and waiting between two requests.
pub trait Sleeper {
    /// The time of day.
    fn now(&self) -> UtcMs;

    /// The time that never jumps.
    fn steady(&self) -> Steady;

    /// Waits until the steady clock shows `until`; `false` when asked to stop meanwhile.
    fn wait_until(&self, until: Steady) -> bool;

    /// Whether to stop.
    fn stopped(&self) -> bool;
}
