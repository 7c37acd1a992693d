//! A venue that does not exist: a market from a seed or a file, shown through the public protocol of a real venue, with
//! the faults that real ones have.

pub mod binance;
pub mod coinbase;
pub mod kraken;
pub mod market;
pub mod protocol;
#[cfg(test)]
mod sample;
pub mod server;
pub mod venue;
