//! The page about one ledger: which one, what is in its files, what proves it.

pub(crate) mod compare;
pub(crate) mod job;
mod proved;
mod read;
mod which;
