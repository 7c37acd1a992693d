//! Fits in a process of their own: on the processor, or on a card, by a worker that may die without harm once the card has proved
//! itself.

pub mod checkpoints;
pub mod fit_process;
mod judge;
#[cfg(test)]
mod sample;
pub mod trainer;
pub mod wire;
pub mod worker;
