//! What a live loop asks of a venue.

use thiserror::Error;

use super::venue::answer::Class;
use crate::domain::{
    bar::TimedBar,
    time::{SlotTs, UtcMs},
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
    /// The venue wants to be left alone until then.
    pub retry_at: Option<UtcMs>,
}

/// A source of recent bars.
pub trait Feed {
    /// The bars that close at `since` or later, as known at `now`, in any order, the newest possibly still forming.
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Vec<TimedBar>, FeedError>;

    /// When the feed has nothing more to tell; `None` for a venue that goes on.
    fn ends(&self) -> Option<UtcMs>;

    /// How far the venue's clock is ahead of ours, once enough answers agree on it.
    fn skew_ms(&self) -> Option<i64> {
        None
    }
}

/// Time, as the loop has it, for whoever must wait between two requests.
pub trait Waits {
    /// Now.
    fn now(&self) -> UtcMs;

    /// Waits until `at`; `false` when told to stop meanwhile.
    fn wait_until(&self, at: UtcMs) -> bool;

    /// Whether to stop.
    fn stopped(&self) -> bool;
}
