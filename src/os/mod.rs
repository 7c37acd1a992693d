//! The operating system: signals, processes, disk space.

pub mod process;
pub mod signals;
pub mod space;
