//! What on the target is not what was deployed there. Nothing is changed, on no side.

mod compare;
mod difference;
pub mod job;
mod masked;
mod report;
