//! Venues: whatever answers with recent bars, the newest of them still forming.

pub mod feed;
pub mod governor;
pub mod http;
pub mod remote;
pub mod replay;
pub mod sim;
pub mod synthetic;
pub mod venue;
pub mod venue_time;
