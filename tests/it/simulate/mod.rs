//! The whole live loop in one process, on a virtual clock, a lying venue and a disk that fails, tears and loses power.

mod checkpoints;
mod false_disk;
mod liveness;
mod oracle;
mod regressions;
mod seeds;
mod systematic;
mod venue;
mod wire;
mod world;
