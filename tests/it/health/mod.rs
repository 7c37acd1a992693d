//! Health checks and heartbeats of made ledgers in every state, of a real loop that stands still, and what a FAIL of eqflat does.

mod crowd;
mod fixture;
mod frozen;
mod reduce;
mod states;
