//! Floor 3: the step joined with durable ledgers. The only code that makes a ledger row.

pub(crate) mod checkpoint;
pub mod error;
pub mod fold;
pub mod live;
pub mod origin;
pub mod reader;
pub mod record;
pub mod replay;
pub mod signals;
pub(crate) mod watch;
