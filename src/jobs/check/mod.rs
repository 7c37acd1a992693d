//! The check job: whether a box is fit to trade. Each check has a level, a value and a command that helps.

pub(crate) mod job;
mod lookahead;
mod sanity;
mod smoke;
pub(crate) mod state;
mod storage;
