//! Floor 4: the service that runs jobs by their schedules. A pure planner decides, records come before starts, a loop carries out.

pub mod board;
pub mod children;
mod ends;
pub mod held;
pub mod host;
pub mod http;
pub mod launcher;
pub mod metrics;
pub mod notice;
pub mod plan;
pub mod retry;
pub mod seats;
pub mod service;
mod startup;
pub mod status;
mod stops;
pub mod sweep;
pub mod wake;
pub mod work;
