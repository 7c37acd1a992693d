//! What is known of a venue: its name, what it serves, how often it may be asked, and how it is asked and read.

use super::{
    answer::Fault,
    page_request::{HttpGet, PageRequest},
};
use crate::domain::bar::Shown;

/// One venue, as its own file writes it. Every part is mandatory.
#[derive(Debug, Clone, Copy)]
pub struct VenueRow {
    /// How it is called in manifests and paths.
    pub name: &'static str,
    /// The id that ccxt has for it, where that is another one.
    pub ccxt_id: Option<&'static str>,
    /// What it serves.
    pub spec: Spec,
    /// The request for a page. Refused when the venue does not have the timeframe.
    pub request: fn(&PageRequest) -> Result<HttpGet, Fault>,
    /// What an answer with this status and body shows.
    pub parse: fn(&PageRequest, u16, &[u8]) -> Result<Shown, Fault>,
}

/// What a venue serves, and how often it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Where its public interface is, without a slash at the end.
    pub base_url: &'static str,
    /// Most bars of one answer, the forming one included.
    pub page_bars: u32,
    /// How many bars back it answers at all; `None` when it keeps everything, or does not say.
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
