//! Models in use: one score for every machine, the same decisions live and replayed, switches that a replay repeats, and folders that
//! are refused.

mod fixture;
mod folder;
mod followed;
mod ledger;
mod network;
mod precise;
mod scorer;
mod switch;
mod threshold;
