//! Floor 4: the job kinds. Each is a pure planner and a thin shell.

pub mod backtest;
pub mod commands;
pub mod equivalence;
pub mod live;
