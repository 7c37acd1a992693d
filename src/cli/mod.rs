//! The command line: arguments, what people see, and the verbs that only look.

pub mod args;
pub mod load;
pub mod operator;
pub mod output;
pub mod serve;
pub mod verify;
pub mod view;
