//! Floor 2: files. Bars, ledgers, locks, run records, and readers of foreign archives. No clock: instants come in as arguments.

pub mod archive;
pub mod bounded_log;
pub(crate) mod columns;
pub mod digest;
pub mod disk;
pub(crate) mod document;
pub mod error;
pub mod layout;
pub mod ledger;
pub(crate) mod lines;
pub mod lock;
pub mod raw;
pub mod rows;
pub mod runs;
pub(crate) mod table;
