//! Mjolnir: one engine under the live paper loop, the backtest, and the proof that both are the same.

pub(crate) mod checklist;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod engine;
pub mod exchange;
pub mod exit;
pub mod jobs;
pub mod language;
pub mod manifest;
pub mod model;
pub mod net;
pub(crate) mod notify;
pub mod os;
pub(crate) mod outcome;
pub mod pages;
pub mod report;
pub mod run;
pub mod serve;
pub mod session;
pub mod setting;
pub mod store;
pub mod sweep;
