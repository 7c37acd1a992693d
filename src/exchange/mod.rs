//! Venues: whatever answers with recent bars, the newest of them still forming.

pub mod client;
pub mod feed;
pub mod made_up;
pub(crate) mod rate_limiter;
pub mod remote;
pub mod sim;
pub mod venue;
