//! The data-quality job: the stored bars as they are, looked at from every side, and nothing changed.

mod advice;
mod against;
mod coverage;
mod evidence;
mod finding;
mod frame;
mod gaps;
pub mod job;
mod load;
mod quiet;
mod report;
mod resample;
mod revised;
mod rows;
mod spikes;
