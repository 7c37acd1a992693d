//! Floor 4: the service that runs jobs by their schedules. A pure planner decides, records come before starts, a loop carries out.

pub(crate) mod admission;
pub mod answer;
pub(crate) mod children;
pub(crate) mod host;
mod hosts;
pub mod http;
pub mod launcher;
pub mod metrics;
pub mod notice;
mod parked;
pub(crate) mod phone;
pub(crate) mod plan;
mod reaper;
pub(crate) mod retention;
pub(crate) mod retry;
pub mod run_metrics;
pub mod schedule_table;
pub mod service;
mod slow;
mod startup;
pub(crate) mod status;
mod termination;
pub mod ticker;
pub mod tracked_run;
