//! The check job: whether a box is fit to trade. Each check has a level, a value and a command that helps.

mod features;
pub mod job;
mod lookahead;
mod sanity;
mod smoke;
pub mod state;
mod storage;
