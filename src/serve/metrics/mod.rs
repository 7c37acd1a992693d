//! `/metrics`: the service, its runs, and the loops, which are read from their ledgers.

mod follow;
mod loops;
mod page;
mod plain;

pub use loops::{Last, Loop, Loops};
pub use page::page;
pub use plain::from_openmetrics;
