//! Floor 3: the step joined with durable ledgers. The only code that makes a ledger row.

pub mod replay;
