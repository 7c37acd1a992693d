//! The data-quality job: the stored bars as they are, looked at from every side, and nothing changed.

mod against;
mod bar_checks;
pub(crate) mod job;
mod report;
mod rows;
