//! Floor 0: values that cannot be wrong. No clock, no files, no network, no randomness.

pub mod bar;
pub(crate) mod base_url;
pub mod cadence;
pub mod command;
pub(crate) mod cron;
pub(crate) mod decimal;
pub mod decision;
pub mod dotenv;
pub mod ids;
pub mod money;
pub mod pattern;
pub mod series;
pub mod signal;
pub(crate) mod stake;
pub(crate) mod target;
pub(crate) mod text;
pub mod time;
pub(crate) mod tool;
pub mod trade;
pub mod zone;
