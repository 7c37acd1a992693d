//! Who is told when a scheduled run goes wrong: what is owed, as pure rules; what is said; and a thread that delivers it.

mod body;
mod deliver;
mod incident;
mod message;
mod notifier;

pub use body::{Body, body};
pub use incident::{Meaning, Owed, change, meaning, owed};
pub use message::Notice;
pub use notifier::Notifier;
