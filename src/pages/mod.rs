//! Floor 5: the pages of a box and its data for programs, made from its files and records, which are only read.

mod act;
mod api;
mod bars;
mod compare;
mod desk;
mod frame;
mod home;
mod jobs;
mod lines;
mod log;
mod openapi;
pub mod operator;
mod proofs;
mod query;
mod reports;
mod rows;
mod run;
mod runs;
pub mod site;
mod starter;
mod steps;
mod sweeps;
mod trading;
mod why;
mod words;
