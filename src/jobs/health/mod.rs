//! Health: whether the loop of a tag is alive and well, read from what it leaves on the disk. A process that is there proves nothing.

mod facts;
mod gather;
pub(crate) mod job;
mod judge;
mod result;
mod watch;
