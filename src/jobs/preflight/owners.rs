//! Files in the root that belong to somebody else than the root itself: what a program left there that ran as root.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    job::Look,
    result::{Checked, Level, some_of},
};
use crate::{jobs::deploy::names::shown, manifest::PreflightPart};

/// Most files that are looked at.
const ENTRIES_MAX: usize = 2_000_000;
/// The number of root.
const ROOT: u32 = 0;

/// What a walk through a tree saw.
#[derive(Debug, Default)]
struct Walk {
    /// Files and folders.
    seen: usize,
    /// Those of another user.
    foreign: Vec<String>,
    /// What could not be looked into.
    blind: Vec<String>,
}

/// Looks at every file of the root, but not into `.git` and not through links.
pub fn owners(look: &Look<'_>) -> Vec<Checked> {
    let root = look.context.root;
    let check = |level, limit: String, value| {
        Checked::new(PreflightPart::Owners, "owners", level, limit, value)
    };
    let owner = match fs::symlink_metadata(root) {
        Ok(found) => found.uid(),
        Err(error) => {
            let value = format!("{}: {error}", root.display());
            return vec![check(Level::Fail, "readable".to_owned(), value).next("ls -lad .")];
        }
    };
    let mut walk = Walk::default();
    walk.through(root, owner);
    let limit = format!("all of user {owner}");
    let next = format!("find . -path ./.git -prune -o -not -uid {owner} -ls");
    let found = match (walk.foreign.is_empty(), walk.blind.is_empty()) {
        (false, _) => check(Level::Fail, limit, some_of(&walk.foreign)),
        (true, false) => {
            check(Level::Warn, limit, format!("cannot be looked into: {}", some_of(&walk.blind)))
        }
        (true, true) if owner == ROOT => {
            check(Level::Warn, limit, format!("{} entries, and the folder is root's", walk.seen))
        }
        (true, true) => check(Level::Ok, limit, format!("{} entries", walk.seen)),
    };
    vec![found.next(next)]
}

impl Walk {
    fn through(&mut self, root: &Path, owner: u32) {
        let mut todo = vec![PathBuf::new()];
        while let Some(below) = todo.pop() {
            let entries = match fs::read_dir(root.join(&below)) {
                Ok(entries) => entries,
                // A file may go while the program looks.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) => {
                    self.blind.push(name(&below));
                    continue;
                }
            };
            for entry in entries.flatten() {
                let path = below.join(entry.file_name());
                if path == Path::new(".git") {
                    continue;
                }
                let Ok(found) = entry.metadata() else { continue };
                self.seen += 1;
                if self.seen > ENTRIES_MAX {
                    self.blind.push(format!("more than {ENTRIES_MAX} entries"));
                    return;
                }
                if found.uid() != owner {
                    self.foreign.push(format!("{} (user {})", name(&path), found.uid()));
                }
                if found.is_dir() {
                    todo.push(path);
                }
            }
        }
    }
}

fn name(path: &Path) -> String {
    shown(path.as_os_str().as_encoded_bytes())
}
