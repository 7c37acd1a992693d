//! HTTP as venues need it: one bounded GET after another, with what went wrong in plain words.

pub mod client;
pub mod error;
