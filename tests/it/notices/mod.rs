//! What the program tells the world: pings of runs, notices of the service, its pages and numbers.

mod bodies;
mod fixture;
mod incidents;
mod ledgers;
mod mail;
mod numbers;
mod openmetrics;
pub mod pages;
mod phone;
mod pings;
mod verdicts;
