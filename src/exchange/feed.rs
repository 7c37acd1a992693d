//! What a live loop asks of a venue.

use thiserror::Error;

use crate::domain::{
    bar::TimedBar,
    time::{SlotTs, UtcMs},
};

/// Why a venue did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeedError {
    /// It could not be reached, or answered with an error that may pass.
    #[error("{venue} did not answer: {why}")]
    Unavailable {
        /// The venue.
        venue: String,
        /// What happened.
        why: String,
    },
}

/// A source of recent bars.
pub trait Feed {
    /// The bars that close at `since` or later, as known at `now`, in any order, the newest possibly still forming.
    fn fetch(&mut self, since: SlotTs, now: UtcMs) -> Result<Vec<TimedBar>, FeedError>;

    /// When the feed has nothing more to tell; `None` for a venue that goes on.
    fn ends(&self) -> Option<UtcMs>;
}
