//! Free space on the disk of a folder.

use std::{io, path::Path};

/// Bytes that an ordinary user can still write where `path` lies.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
