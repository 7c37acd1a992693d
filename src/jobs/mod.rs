//! Floor 4: the job kinds. Each is a pure planner and a thin shell.

pub mod backtest;
pub mod check;
pub mod checks;
pub mod commands;
pub mod compute;
pub mod context;
pub mod deploy;
pub mod equivalence;
pub mod exchange_sim;
pub mod exec;
pub mod fetch;
pub mod health;
pub mod import;
pub mod ledger_models;
pub mod ledgers;
pub mod live;
pub mod models;
pub mod pipeline;
pub mod preflight;
pub mod promote;
pub mod quality;
pub mod recorded;
pub mod setup;
pub mod train;
pub mod venue;
pub mod waiting;
