//! What holds for every venue alike, and what the tests of each venue need.

pub mod check;
mod fuzz;
mod garbage;
mod requests;
mod wire;
