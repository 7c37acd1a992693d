//! Floor 0: values that cannot be wrong. No clock, no files, no network, no randomness.

pub mod bar;
pub(crate) mod base_url;
pub mod cadence;
pub mod command;
pub(crate) mod decimal;
pub mod decision;
pub mod dotenv;
pub mod ids;
pub mod money;
pub mod series;
pub mod signal;
pub mod target;
pub(crate) mod text;
pub mod time;
pub(crate) mod tool;
pub mod zone;
