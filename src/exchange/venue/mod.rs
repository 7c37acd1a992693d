//! The venues: one pure module each, which builds the request for a page of bars and reads the answer.

pub mod answer;
pub(crate) mod binance;
pub(crate) mod binanceus;
pub(crate) mod bitfinex;
pub(crate) mod bitstamp;
pub(crate) mod bybit;
pub(crate) mod coinbase;
pub(crate) mod gemini;
pub(crate) mod kraken;
pub(crate) mod kucoin;
pub(crate) mod mexc;
pub(crate) mod okx;
pub mod page_request;
pub mod registry;
#[cfg(test)]
mod tests;
