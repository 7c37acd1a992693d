//! The real program from outside: what operators type, what it answers, and what it leaves on the disk.

mod bad_disk;
mod bad_files;
mod bad_words;
mod demo;
mod diagnostics;
mod drift;
mod drills;
mod exchange_sim;
mod fetch;
pub mod fixture;
mod json;
mod kill;
mod limits;
mod lock;
mod money;
mod names;
mod network;
mod operator;
mod secrets;
mod steps;
mod taken;
mod tamper;
mod verbs;
mod window;
