//! Floor 4: the service.

pub mod board;
pub mod http;
pub mod metrics;
pub mod notice;
