//! Commands from a phone: what a message leads to, as pure rules; what is said; and a thread for each bot that reads its messages.

mod answers;
mod conversation;
mod poller;

pub use poller::{PhoneLine, Phones};
