//! Mjolnir: one engine under the live paper loop, the backtest, and the proof that both are the same.

pub mod domain;
pub mod engine;
pub mod manifest;
