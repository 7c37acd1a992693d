//! Operator commands: appended to a tag's ledger, in order.

use crate::{
    domain::{command::Command, ids::Tag, time::UtcMs},
    store::{
        disk::Disk,
        error::StoreError,
        layout::Layout,
        ledger,
        rows::commands::{COMMANDS_HEADER, parse_commands, push_command},
    },
};

/// Appends one command durably. It is dated no earlier than the last one, since the ledger is in order.
pub fn append_command<D: Disk>(
    disk: &D,
    layout: &Layout,
    tag: &Tag,
    command: Command,
    now: UtcMs,
) -> Result<(), StoreError> {
    disk.create_dir_all(&layout.commands_dir())?;
    let path = layout.commands(tag);
    let found = ledger::inspect(disk, &path, COMMANDS_HEADER)?;
    let last =
        if found.whole().is_empty() { None } else { parse_commands(found.whole(), &path)?.pop() };
    let at = last.map_or(command.at, |last| last.at.max(command.at));
    let (mut ledger, _) = ledger::open(disk, &found, &layout.quarantine(&path, now))?;
    let mut row = Vec::new();
    push_command(&mut row, &Command { at, ..command });
    ledger.append(&row, true)
}
