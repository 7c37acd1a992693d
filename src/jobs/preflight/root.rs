//! What the root must be: folders that can be written, one owner, room, valid manifests, and nothing that is not committed.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{Machine, ManifestCheck, skipped, some_of};
use crate::{
    checklist::{CheckItem, Level},
    jobs::deploy::{git, inventory::shown, programs::CommandError},
    manifest::PreflightPart,
    os::filesystem::{own_uid, room as left},
    outcome::Failure,
    store::{disk::Disk as _, error::StoreError},
};

/// The number of root.
const ROOT: u32 = 0;
/// Most files that are looked at: the archive of a box of years has fewer, and a walk of more takes minutes.
const ENTRIES_MAX: usize = 2_000_000;

/// Tries the folders of `data/`, and whether this is the user that owns them.
pub fn folders(machine: &Machine<'_>) -> Result<Vec<CheckItem>, Failure> {
    let (context, disk) = (machine.context, machine.context.disk);
    let data = context.layout.data();
    let mut all = vec![data.to_owned()];
    for name in disk.list(data).map_err(StoreError::from)? {
        let dir = data.join(name);
        // A link is tried too: writing through it must fail aloud.
        if dir.is_dir() {
            all.push(dir);
        }
    }
    let bad: Vec<String> = all
        .iter()
        .filter_map(|dir| {
            let why = try_one(machine, dir).err()?;
            Some(format!("{}: {why}", context.shown(dir)))
        })
        .collect();
    let (level, value) = if bad.is_empty() {
        (Level::Ok, format!("{} folders", all.len()))
    } else {
        (Level::Fail, some_of(&bad))
    };
    let limit = "can write and read a file";
    let next = "ls -la data";
    let written = CheckItem::new("folders", level, value)
        .part(PreflightPart::Folders.name())
        .limit(limit)
        .next(next);
    Ok(vec![written, user(data.metadata().map(|found| found.uid()).ok())])
}

fn try_one(machine: &Machine<'_>, dir: &std::path::Path) -> Result<(), String> {
    let disk = machine.context.disk;
    let file: PathBuf = dir.join(format!(".preflight-{}", machine.context.run_id));
    disk.replace(&file, b"tried by preflight\n").map_err(|error| error.to_string())?;
    disk.remove(&file).map_err(|error| error.to_string())
}

/// What another user writes, the owner of the folder cannot change.
fn user(owner: Option<u32>) -> CheckItem {
    let own = own_uid();
    let check = |level, value| {
        let limit = "the owner of data/, not root";
        CheckItem::new("user", level, value)
            .part(PreflightPart::Folders.name())
            .limit(limit)
            .next("ls -lad data")
    };
    match owner {
        Some(owner) if owner != own => {
            check(Level::Fail, format!("this is user {own}, data/ belongs to user {owner}"))
        }
        Some(_) | None if own == ROOT => check(Level::Warn, "this is root".to_owned()),
        Some(_) | None => check(Level::Ok, format!("user {own}")),
    }
}

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

/// Files in the root that belong to another user than the root itself: what a program left there that ran as root. It looks neither
/// into `.git` nor through links.
pub fn owners(machine: &Machine<'_>) -> CheckItem {
    let root = machine.context.root;
    let check = |level, limit: String, value| {
        CheckItem::new("owners", level, value).part(PreflightPart::Owners.name()).limit(limit)
    };
    let owner = match fs::symlink_metadata(root) {
        Ok(found) => found.uid(),
        Err(error) => {
            let value = format!("{}: {error}", root.display());
            return check(Level::Fail, "readable".to_owned(), value).next("ls -lad .");
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
    found.next(next)
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

/// Room on the disk of `data/`, in bytes and in files.
pub fn room(machine: &Machine<'_>) -> Vec<CheckItem> {
    let (data, rules) = (machine.context.layout.data(), machine.rules);
    let check = |name: &str, level, limit, value| {
        CheckItem::new(name, level, value).part(PreflightPart::Room.name()).limit(limit)
    };
    let (bytes_min, inodes_min) = (rules.disk_free_min.get(), rules.inodes_free_min);
    let limits = [format!("at least {bytes_min}"), format!("at least {inodes_min}")];
    let [of_bytes, of_inodes] = limits;
    let (bytes, inodes) = match left(data) {
        Ok(room) => {
            let is_full = room.bytes < bytes_min.bytes();
            let level = if is_full { Level::Fail } else { Level::Ok };
            let place =
                if is_full { format!(" in {}", room.path.display()) } else { String::new() };
            let value = format!("{} MiB{place}", room.bytes >> 20);
            let bytes = check("disk", level, of_bytes, value);
            let is_full = room.inodes.is_some_and(|free| free < inodes_min);
            let level = if is_full { Level::Fail } else { Level::Ok };
            let value = room
                .inodes
                .map_or_else(|| "not counted here".to_owned(), |free| format!("{free} more files"));
            (bytes, check("inodes", level, of_inodes, value))
        }
        Err(error) => (
            check("disk", Level::Fail, of_bytes, error.to_string()),
            check("inodes", Level::Fail, of_inodes, error.to_string()),
        ),
    };
    vec![bytes.next("du -sh data/*"), inodes.next("df -i data")]
}

/// One check for all manifests.
pub fn manifests(machine: &Machine<'_>) -> CheckItem {
    let check = |level, value: String| {
        CheckItem::new("manifests", level, value)
            .part(PreflightPart::Manifests.name())
            .limit("all valid")
            .next("runner check jobs")
    };
    let Some(ManifestCheck { manifests, problems, is_valid }) = (machine.manifests)() else {
        return check(Level::Fail, "jobs/ holds no manifest".to_owned());
    };
    match (is_valid, problems.is_empty()) {
        (true, true) => check(Level::Ok, format!("{manifests} manifests")),
        (true, false) => check(Level::Warn, some_of(&problems)),
        (false, _) => check(Level::Fail, some_of(&problems)),
    }
}

/// Asks git. A root that is not a repository, such as a target of deploys, is not checked.
pub fn git_tree(machine: &Machine<'_>) -> Result<CheckItem, Failure> {
    let part = PreflightPart::Git;
    let root = machine.context.root;
    let check = |level, value: String| {
        let next = format!("git -C {} status", root.display());
        CheckItem::new("git", level, value).part(part.name()).limit("all committed").next(next)
    };
    if !root.join(".git").exists() {
        return Ok(skipped(part, "the root is not a git repository"));
    }
    let facts = match git::ask(machine.runner, root) {
        Ok(facts) => facts,
        Err(error @ CommandError::Stopped { .. }) => return Err(error.into()),
        Err(error) => return Ok(check(Level::Fail, error.to_string())),
    };
    let mut bad: Vec<String> =
        facts.half_done.iter().map(|what| format!("{what} is half done")).collect();
    bad.extend(facts.dirty.iter().map(|path| shown(path)));
    let commit = facts.commit.as_deref().and_then(|commit| commit.get(..12));
    let found = match (bad.is_empty(), commit, &facts.branch) {
        (false, _, _) => check(Level::Fail, some_of(&bad)),
        (true, None, _) => check(Level::Fail, "the repository has no commit yet".to_owned()),
        (true, Some(commit), None) => check(Level::Warn, format!("{commit}, on no branch")),
        (true, Some(commit), Some(branch)) => check(Level::Ok, format!("{commit} on {branch}")),
    };
    Ok(found)
}
