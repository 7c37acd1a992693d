//! Whether there is room, in bytes and in files.

use super::{
    job::Look,
    result::{Checked, Level},
};
use crate::{manifest::PreflightPart, os::free_space::room as left};

/// Looks where `data/` and its parts lie, or will lie.
pub fn room(look: &Look<'_>) -> Vec<Checked> {
    let (data, rules) = (look.context.layout.data(), look.rules);
    let check = |name: &str, level, limit, value| {
        Checked::new(PreflightPart::Room, name, level, limit, value)
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
    vec![bytes.next("df -h data; du -sh data/*"), inodes.next("df -i data")]
}
