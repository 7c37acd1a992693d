//! Floor 0: values that cannot be wrong. No clock, no files, no network, no randomness.

pub mod bar;
pub mod base_url;
pub mod cadence;
pub mod command;
pub mod cron;
pub mod decimal;
pub mod decision;
pub mod dotenv;
pub mod ids;
pub mod money;
pub mod pattern;
pub mod series;
pub mod signal;
pub mod stake;
pub mod target;
pub mod text;
pub mod time;
pub mod tool;
pub mod trade;
pub mod zone;
