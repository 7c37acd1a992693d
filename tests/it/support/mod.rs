//! What the tests share.

pub mod http;
pub mod market;
pub mod ran;
pub mod runner;
pub mod scripted;
pub mod sealed;
pub mod sim;
pub mod sim_disk;
pub mod skip;
pub mod snapshot;
pub mod strategies;
pub mod wire;
