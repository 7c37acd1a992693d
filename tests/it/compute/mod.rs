//! Computing on a card, without one: workers that fail in every way, and one that fits on the processor as a card would.

mod acting;
mod doctor;
mod failing;
mod fits;
mod linked;
pub mod stub;
