//! Limits of this process, which the programs it starts inherit.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

/// Refuses more address space than this to this process and to each of its children.
pub fn limit_memory(bytes: u64) -> io::Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    let bytes = maximum.map_or(bytes, |maximum| bytes.min(maximum));
    Ok(setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum })?)
}

/// Stands back for other processes: 0 not at all, 19 entirely.
pub fn stand_back(by: u32) -> io::Result<()> {
    if by > 0 {
        nice(i32::try_from(by).unwrap_or(19))?;
    }
    Ok(())
}
