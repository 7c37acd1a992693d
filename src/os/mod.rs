//! The operating system: the name of the machine, signals, processes and what they print, disk space, owners of files.

pub mod filesystem;
pub mod machine;
pub(crate) mod mask;
pub(crate) mod process;
pub mod process_tree;
pub mod signals;
pub(crate) mod supervise;
