//! What is known of a venue beside its formats.

use super::answer::{Class, Fault};
use crate::domain::time::Timeframe;

/// What a venue serves, and how often it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Where its public interface lies, without a slash at the end.
    pub base_url: &'static str,
    /// Most bars of one answer, the forming one included.
    pub page_bars: u32,
    /// How many bars back it answers at all; `None` when it keeps everything.
    pub horizon_bars: Option<u32>,
    /// Whether a bar without a trade is left out of its answers.
    pub omits_empty: bool,
    /// How often it may be asked.
    pub pace: Pace,
}

/// A token bucket: so many requests at once, and one more after each pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Requests that may follow each other at once.
    pub burst: u32,
    /// Milliseconds after which one more is allowed.
    pub refill_ms: u32,
}

/// How a venue spells the timeframes that it has.
pub type Spelling = [(Timeframe, &'static str)];

/// The venue's word for a timeframe; refused, with those it has, when it has no such bars.
pub fn spelled(timeframe: Timeframe, spelling: &Spelling) -> Result<&'static str, Fault> {
    spelling.iter().find(|(known, _)| *known == timeframe).map(|(_, word)| *word).ok_or_else(|| {
        let known: Vec<&str> = spelling.iter().map(|(known, _)| known.name()).collect();
        Fault::new(
            Class::Config,
            format!("the venue has no bars of {timeframe}: use one of {}", known.join(" ")),
        )
    })
}
