//! The whole live loop in one process, on a virtual clock, a lying venue and a disk that fails, tears and loses power.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod false_disk;
mod oracle;
mod regressions;
mod seeds;
mod systematic;
mod teeth;
mod venue;
mod world;
