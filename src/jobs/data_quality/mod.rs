//! The data-quality job: the stored bars as they are, looked at from every side, and nothing changed.

mod against;
mod bar_checks;
mod finding;
mod gaps;
pub(crate) mod job;
mod load;
mod report;
mod rows;
