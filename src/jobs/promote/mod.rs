//! Promotion: the numbers of a candidate against those of the baseline and of the model in use, and which model is in use.

pub(crate) mod history;
pub(crate) mod job;
mod judge;
