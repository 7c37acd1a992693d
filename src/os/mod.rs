//! The operating system: the name of the machine, signals, processes and what they print, disk space, owners of files.

pub mod file_owner;
pub mod free_space;
pub mod kill;
pub mod limits;
pub mod machine;
pub mod mask;
pub mod orphans;
pub mod process;
pub mod process_tree;
pub mod signals;
pub mod supervise;
