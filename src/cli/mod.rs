//! The command line: arguments, what people see, and every verb but `run`.

// Its docs become help and JOBS.md: people read them.
pub mod approve;
#[warn(missing_docs)]
pub mod args;
pub mod commands;
pub mod compare;
pub mod completions;
pub mod crontab;
pub mod deploy;
pub mod doctor;
pub mod features;
pub(crate) mod flags;
pub(crate) mod follow;
pub mod history;
pub mod home;
pub mod init;
pub(crate) mod load;
pub mod logs;
pub mod mcp;
pub mod next;
pub mod notify;
pub mod output;
pub mod pause;
pub mod planned;
pub mod records;
pub mod reload;
pub mod resume;
pub mod retry;
pub mod rewind;
mod run_arguments;
pub mod serve;
mod serve_wiring;
pub mod shard;
mod show_model;
mod show_run;
pub mod status;
pub mod stop;
pub mod sweep;
pub mod table;
pub mod verify;
pub mod view;
pub mod why;
mod without_run;
pub mod worker;
