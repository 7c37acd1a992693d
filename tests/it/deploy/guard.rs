//! Everything below a folder with its bytes, rights and times: a look at a target must leave all of it as it is.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

/// Content, mode, owner and time of change of what stands at a path.
pub type Seen = (Vec<u8>, u32, u32, i64, i64);

/// Every path below a folder, and the folder itself.
pub fn seen(dir: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut found = BTreeMap::new();
    look(dir, dir, &mut found);
    found
}

fn look(top: &Path, path: &Path, found: &mut BTreeMap<Vec<u8>, Seen>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let content = if meta.is_symlink() {
        fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()
    } else if meta.is_file() {
        fs::read(path).unwrap()
    } else {
        Vec::new()
    };
    let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
    found.insert(name, (content, meta.mode(), meta.uid(), meta.mtime(), meta.mtime_nsec()));
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(top, &entry.unwrap().path(), found);
        }
    }
}
