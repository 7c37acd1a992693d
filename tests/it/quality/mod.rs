//! The data-quality job: every fault is found with its count and place, and its harmless twin is not.

mod against;
mod fixture;
mod market;
mod rows;
mod slots;
