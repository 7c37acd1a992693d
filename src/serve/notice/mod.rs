//! Who is told when a scheduled run goes wrong, and of what happens in ledgers: what is owed, as pure rules; what is said; and threads that
//! deliver it.

pub(crate) mod day;
mod deliver;
mod incident;
pub(crate) mod ledger_event;
mod ledger_notifier;
mod ledger_reader;
mod message;
mod notifier;
mod outbox;
mod try_out;

pub use incident::{Owed, RunMeaning, change, meaning, owed};
pub use ledger_notifier::{LedgerNotifier, WatchedLedger};
pub use ledger_reader::NoticeLedger;
pub use message::Notice;
pub use message::{Body, body};
pub use notifier::Notifier;
pub use try_out::{TriedReceiver, try_out};
