//! The operating system: the name of the machine, signals, processes and what they print, disk space, owners of files.

pub mod family;
pub mod kill;
pub mod limits;
pub mod machine;
pub mod mask;
pub mod orphans;
pub mod owner;
pub mod process;
pub mod signals;
pub mod space;
pub mod supervise;
