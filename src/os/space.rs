//! Free space on the disk of a folder.

use std::{io, path::Path};

/// Bytes that an ordinary user can still write where `path` lies.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Files that an ordinary user can still make where `path` lies; `None` where the file system does not count them.
pub fn free_inodes(path: &Path) -> io::Result<Option<u64>> {
    let stat = rustix::fs::statvfs(path)?;
    Ok((stat.f_files > 0).then_some(stat.f_favail))
}
