//! Venues: whatever answers with recent bars, the newest of them still forming.

pub mod feed;
pub mod replay;
pub mod sim;
pub mod synthetic;
pub mod venue;
