//! The service with real processes, real files, real signals.

mod ahead;
mod bad;
mod clock;
mod ends;
pub mod fixture;
mod kill;
mod people;
mod rules;
mod wake;
mod watched;
