//! The service with real processes, real files, real signals.

mod bad;
mod clock;
mod ends;
pub mod fixture;
mod kill;
mod records;
mod rules;
mod wake;
