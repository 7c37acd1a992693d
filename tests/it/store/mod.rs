//! The store on a disk that fails and loses power, and on real market files.

mod ledger;
mod market;
mod raw;
mod replace;
mod retention;
