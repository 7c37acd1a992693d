//! `runner commands` and `runner revoke`: what is planned for the loops of a tag, and taking it back.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    args::{CommandsArgs, RevokeArgs},
    flags,
    output::{plain, print, print_json},
    table::table,
    view::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::ids::Tag,
    exit::Exit,
    jobs::{
        commands::{self, CommandState, Listed, listed},
        context::Failure,
    },
    store::{disk::RealDisk, layout::Layout},
};

/// Lists what is planned for a tag, or every line of its commands.
pub fn commands(root: &Path, args: &CommandsArgs, json: bool) -> Exit {
    match lines(root, args) {
        Ok((tag, lines)) => {
            if json {
                print_json(&json!({
                    "schema": "mjolnir.commands/1", "tag": tag.as_str(),
                    "commands": lines.iter().map(document).collect::<Vec<_>>(),
                }));
            } else if lines.is_empty() {
                let what = if args.all { "no command was given yet" } else { "nothing is planned" };
                print(&format!("{what} for tag {tag}\n"));
            } else {
                let row = |Listed { line, command, standing }: &Listed| {
                    let (order, who) = (command.order.to_string(), plain(&command.who));
                    let (at, reason) = (command.at.to_string(), plain(&command.reason));
                    vec![line.to_string(), at, order, standing.name().to_owned(), who, reason]
                };
                print(&table("", &lines.iter().map(row).collect::<Vec<_>>()));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn lines(root: &Path, args: &CommandsArgs) -> Result<(Tag, Vec<Listed>), Failure> {
    let tag = flags::tag(root, args.tag.as_ref())?;
    let (disk, layout) = place(root)?;
    let mut lines = listed(&disk, &layout, &tag)?;
    if !args.all {
        lines.retain(|one| one.standing == CommandState::Planned);
        lines.sort_by_key(|one| one.command.at);
    }
    Ok((tag, lines))
}

/// Takes back a planned command.
pub fn revoke(root: &Path, args: &RevokeArgs, json: bool) -> Exit {
    match revoked(root, args) {
        Ok((tag, one)) => {
            let (order, at) = (one.command.order, one.command.at);
            if json {
                print_json(&json!({
                    "schema": "mjolnir.revoke/1", "tag": tag.as_str(), "revoked": document(&one),
                }));
            } else {
                let line = one.line;
                print(&format!(
                    "line {line} of tag {tag}, {order} at {at}, is revoked: it never takes effect\n"
                ));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn revoked(root: &Path, args: &RevokeArgs) -> Result<(Tag, Listed), Failure> {
    flags::reason(&args.reason)?;
    let tag = flags::tag(root, args.tag.as_ref())?;
    let what = (args.line, args.reason.clone(), flags::who(args.who.as_ref()));
    let (disk, layout) = place(root)?;
    let one = commands::revoke(&disk, &layout, &tag, what, SystemClock.now())?;
    Ok((tag, one))
}

/// A command as `--json` shows it.
pub(super) fn document(Listed { line, command, standing }: &Listed) -> Value {
    json!({
        "line": line, "at": command.at.to_string(), "at_ms": command.at.get(),
        "command": command.order.to_string(), "standing": standing.name(),
        "reason": command.reason, "who": command.who,
    })
}

/// The data of a box.
pub(super) fn place(root: &Path) -> Result<(RealDisk, Layout), Failure> {
    let root =
        std::path::absolute(root).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let layout = Layout::new(&root);
    Ok((RealDisk::new(layout.data()), layout))
}
