//! Whether the folders of `data/` take a file and give it back, and whether it is the right user who asks.

use std::{os::unix::fs::MetadataExt as _, path::PathBuf};

use super::{
    job::Look,
    result::{Checked, Level, some_of},
};
use crate::{
    jobs::context::Failure,
    manifest::PreflightPart,
    os::file_owner::own_uid,
    store::{disk::Disk as _, error::StoreError},
};

/// The number of root.
const ROOT: u32 = 0;

/// Tries them, and looks who we are.
pub fn folders(look: &Look<'_>) -> Result<Vec<Checked>, Failure> {
    let (context, disk) = (look.context, look.context.disk);
    let data = context.layout.data();
    let mut all = vec![data.to_owned()];
    for name in disk.list(data).map_err(StoreError::from)? {
        let dir = data.join(name);
        // What is no folder of ours, such as a link, is tried too: writing through it must fail aloud.
        if dir.is_dir() {
            all.push(dir);
        }
    }
    let bad: Vec<String> = all
        .iter()
        .filter_map(|dir| {
            let why = try_one(look, dir).err()?;
            Some(format!("{}: {why}", context.shown(dir)))
        })
        .collect();
    let (level, value) = if bad.is_empty() {
        (Level::Ok, format!("{} folders do", all.len()))
    } else {
        (Level::Fail, some_of(&bad))
    };
    let limit = "takes a file and gives it back";
    let next = "ls -la data";
    let taken = Checked::new(PreflightPart::Folders, "folders", level, limit, value).next(next);
    Ok(vec![taken, user(data.metadata().map(|found| found.uid()).ok())])
}

fn try_one(look: &Look<'_>, dir: &std::path::Path) -> Result<(), String> {
    let disk = look.context.disk;
    let file: PathBuf = dir.join(format!(".preflight-{}", look.context.run_id));
    disk.replace(&file, b"tried by preflight\n").map_err(|error| error.to_string())?;
    disk.remove(&file).map_err(|error| error.to_string())
}

/// What another user writes, the owner of the folder cannot change.
fn user(owner: Option<u32>) -> Checked {
    let own = own_uid();
    let check = |level, value| {
        let limit = "the owner of data/, not root";
        Checked::new(PreflightPart::Folders, "user", level, limit, value).next("id; ls -lad data")
    };
    match owner {
        Some(owner) if owner != own => {
            check(Level::Fail, format!("this is user {own}, data/ belongs to user {owner}"))
        }
        Some(_) | None if own == ROOT => check(Level::Warn, "this is root".to_owned()),
        Some(_) | None => check(Level::Ok, format!("user {own}")),
    }
}
