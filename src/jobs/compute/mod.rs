//! Fits in a process of their own: on the processor, or on a card, by a worker that may die without harm once the card has proved
//! itself.

pub(crate) mod fit_process;
mod judge;
#[cfg(test)]
mod sample;
pub(crate) mod trainer;
pub mod worker;
