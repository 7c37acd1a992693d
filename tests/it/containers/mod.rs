//! The box in containers: what its files promise, and what the script does that starts it. Whether an engine keeps the promises is
//! tried by `make compose-test`.

mod boot;
mod compose;
mod images;
mod rules;
mod variables;
