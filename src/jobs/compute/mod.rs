//! Computing on a card: the proof that it can be trusted, and fits in the process of a worker that may die without harm.

mod checked;
pub mod checkpoints;
mod find;
mod judge;
mod kept;
pub mod probe;
#[cfg(test)]
mod sample;
pub mod trainer;
pub mod wire;
pub mod worker;
