//! Who owns a file, and whether this process may write it.

use std::{io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::fs::{Access, access};

/// The number of the user as which this process runs.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Why this process cannot be trusted to keep a file up to date; `None` when it can. A link is judged by what it points to.
pub fn not_ours(path: &Path) -> io::Result<Option<String>> {
    let (owner, own) = (path.metadata()?.uid(), own_uid());
    if owner != own {
        return Ok(Some(format!("belongs to user {owner}, not to {own}")));
    }
    match access(path, Access::WRITE_OK) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS) => {
            Ok(Some("is not writable".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}
