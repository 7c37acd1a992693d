//! A venue that does not exist: a market from a seed or a file, shown through the public protocol of a real venue, with
//! the faults that real ones have.

pub(crate) mod binance;
pub(crate) mod coinbase;
pub(crate) mod kraken;
pub mod market;
#[cfg(test)]
mod sample;
pub(crate) mod server;
pub(crate) mod venue;
