//! Floor 3: the step joined with durable ledgers. The only code that makes a ledger row.

pub mod as_seen;
pub mod card;
pub mod cover;
pub mod error;
pub mod live;
pub mod record;
pub mod render;
pub mod replay;
