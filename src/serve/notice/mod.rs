//! Who is told when a scheduled run goes wrong: what is owed, as pure rules; what is said; and a thread that delivers it.

mod deliver;
mod incident;
mod message;
mod notifier;

pub use incident::{Owed, RunMeaning, change, meaning, owed};
pub use message::Notice;
pub use message::{Body, body};
pub use notifier::Notifier;
