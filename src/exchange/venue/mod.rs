//! The venues: one pure module each, which builds the request for a page of bars and reads the answer.

pub mod answer;
pub mod binance;
pub mod binanceus;
pub mod bitfinex;
pub mod bitstamp;
pub mod bybit;
pub mod coinbase;
pub mod gemini;
pub mod kraken;
pub mod kucoin;
pub mod mexc;
pub mod okx;
pub mod page_request;
pub mod registry;
#[cfg(test)]
mod tests;
