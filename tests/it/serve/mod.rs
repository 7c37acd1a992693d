//! The service with real processes, real files, real signals.

mod ahead;
mod bad;
mod burst;
mod clock;
mod ends;
pub mod fixture;
mod idle;
mod kill;
mod records;
mod rules;
mod wake;
mod watched;
