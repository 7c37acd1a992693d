//! The command line: arguments, what people see, and every verb but `run`.

pub mod args;
pub mod crontab;
pub mod deploy;
pub mod deploy_init;
pub mod doctor;
mod follow;
mod given;
pub mod history;
pub mod load;
pub mod logs;
pub mod next;
pub mod operator;
pub mod output;
pub mod pause;
mod planned;
mod records;
pub mod retry;
pub mod rewind;
pub mod serve;
mod show_model;
pub mod status;
pub mod stop;
mod table;
pub mod verify;
pub mod view;
pub mod worker;
mod world;
