//! The operating system: the name of the machine, signals, processes, disk space, owners of files.

pub mod family;
pub mod kill;
pub mod limits;
pub mod machine;
pub mod owner;
pub mod process;
pub mod signals;
pub mod space;
pub mod supervise;
