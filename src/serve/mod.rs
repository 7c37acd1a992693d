//! Floor 4: the service that runs jobs by their schedules. A pure planner decides, records come before starts, a loop carries out.

pub mod admission;
pub mod children;
pub mod host;
pub mod http;
pub mod launcher;
pub mod metrics;
pub mod notice;
pub mod plan;
mod reaper;
pub mod retention;
pub mod retry;
pub mod run_metrics;
pub mod schedule_table;
pub mod service;
mod startup;
pub mod status;
mod termination;
pub mod ticker;
pub mod tracked_run;
