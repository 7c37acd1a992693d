//! Limits of this process, which the programs it starts inherit.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

/// Refuses more address space than this to this process and to each of its children.
pub fn limit_memory(bytes: u64) -> io::Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    let bytes = maximum.map_or(bytes, |maximum| bytes.min(maximum));
    Ok(setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum })?)
}

/// The most address space that this process and each of its children may take; none without a limit.
pub fn memory_limit() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// Sets the nice value of this thread and of those that it starts: 0 is the usual one, 19 gives way to every other.
pub fn set_nice(by: u32) -> io::Result<()> {
    if by > 0 {
        nice(i32::try_from(by).unwrap_or(19))?;
    }
    Ok(())
}
