//! The venues: one pure module each, which builds the request for a page of bars and reads the answer.

pub mod answer;
pub mod ask;
pub mod binance;
pub mod spec;
pub mod which;
