//! Streaming indicators: one bar in, one value out, NaN until warm. The same bars give the same bits on every machine.

pub mod atr;
pub mod bollinger;
pub mod ema;
pub mod extreme;
pub mod length;
pub mod macd;
pub mod returns;
pub mod rsi;
pub mod sma;
pub mod volatility;
pub mod volume_z;
mod window;

#[cfg(test)]
pub(super) mod sample;
