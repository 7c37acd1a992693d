//! The store on a disk that fails and loses power, and on real market files.

#![expect(clippy::unwrap_used, reason = "what tests share panics as tests do")]

mod ledger;
mod market;
mod raw;
mod replace;
