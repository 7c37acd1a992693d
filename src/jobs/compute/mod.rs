//! Fits in a process of their own: on the processor, or on a card, by a worker that may die without harm once the card has proved
//! itself.

mod checked;
pub mod checkpoints;
mod find;
pub mod handed;
mod judge;
mod kept;
pub mod probe;
pub mod processor;
#[cfg(test)]
mod sample;
pub mod trainer;
pub mod wire;
pub mod worker;
