//! Whether there is room, in bytes and in files.

use super::{
    job::Look,
    result::{Checked, Level},
};
use crate::{
    manifest::PreflightPart,
    os::space::{free_bytes, free_inodes},
};

/// Looks where `data/` lies, or will lie.
pub fn room(look: &Look<'_>) -> Vec<Checked> {
    let (data, rules) = (look.context.layout.data(), look.rules);
    let data = if data.exists() { data } else { look.context.root };
    let check = |name: &str, level, limit, value| {
        Checked::new(PreflightPart::Room, name, level, limit, value)
    };
    let least = rules.disk_free_min.get();
    let limit = format!("at least {least}");
    let bytes = match free_bytes(data) {
        Ok(free) => {
            let level = if free < least.bytes() { Level::Fail } else { Level::Ok };
            check("disk", level, limit, format!("{} MiB", free >> 20))
        }
        Err(error) => check("disk", Level::Fail, limit, error.to_string()),
    };
    let least = rules.inodes_free_min;
    let limit = format!("at least {least}");
    let inodes = match free_inodes(data) {
        Ok(Some(free)) => {
            let level = if free < least { Level::Fail } else { Level::Ok };
            check("inodes", level, limit, format!("{free} more files"))
        }
        Ok(None) => check("inodes", Level::Ok, limit, "not counted here".to_owned()),
        Err(error) => check("inodes", Level::Fail, limit, error.to_string()),
    };
    vec![bytes.next("df -h data; du -sh data/*"), inodes.next("df -i data")]
}
