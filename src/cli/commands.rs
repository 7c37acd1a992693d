//! Commands of the operator: given, listed, revoked.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    args::{CommandArgs, CommandsArgs, RevokeArgs},
    flags,
    output::{plain, print, print_json},
    refuse::tell,
    table::table,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{command::CommandKind, ids::Tag, time::SlotTs},
    exit::Exit,
    jobs::{
        commands::{
            self, CommandReach, CommandRequest, CommandState, GivenCommand, Listed, give, listed,
        },
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

/// Takes the order down and says when it takes effect.
pub fn give_command(root: &Path, order: CommandKind, args: &CommandArgs, json: bool) -> Exit {
    match take_down(root, order, args) {
        Ok((tag, given)) => {
            if json {
                let GivenCommand { at, line, last, planned, reach } = &given;
                print_json(&json!({
                    "schema": "mjolnir.command/1", "tag": tag.as_str(), "command": order.name(),
                    "at": at.to_string(), "at_ms": at.get(), "line": line,
                    "last_decided": last.map(|last| last.to_string()),
                    "planned": planned.iter().map(document).collect::<Vec<_>>(),
                    "series": reach.iter().map(reached).collect::<Vec<_>>(),
                }));
            } else {
                print(&said(order, &tag, &given));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

/// What was taken down, for people.
pub fn said(order: CommandKind, tag: &Tag, given: &GivenCommand) -> String {
    let GivenCommand { at, last, planned, reach, line: _ } = given;
    let last = last.map_or("none".to_owned(), |last| last.to_string());
    let mut text = format!(
        "{order} for tag {tag}: takes effect at the first slot that closes at or after {at} (last decided: {last})\n"
    );
    if reach.len() > 1 {
        let lines: Vec<String> = reach.iter().map(CommandReach::line).collect();
        let (many, lines) = (reach.len(), lines.join("\n  "));
        let _ = writeln!(text, "it is for all {many} series of the tag:\n  {lines}");
    }
    for Listed { line, command, .. } in planned {
        let (order, at) = (command.order, command.at);
        let _ = writeln!(
            text,
            "planned for later: {order} at {at}; to take it back: runner revoke {line} --tag {tag} --reason \"...\""
        );
    }
    text
}

/// Takes the order down.
pub fn take_down(
    root: &Path,
    order: CommandKind,
    args: &CommandArgs,
) -> Result<(Tag, GivenCommand), Failure> {
    flags::reason(&args.reason)?;
    let tag = flags::tag(root, args.tag.as_ref())?;
    let when = flags::when(args.at.as_ref())?;
    let who = flags::who(args.who.as_ref());
    let (disk, layout) = place(root)?;
    let wish = CommandRequest { order, reason: args.reason.clone(), who, when };
    let given = give(&disk, &layout, &tag, wish, SystemClock.now())?;
    Ok((tag, given))
}

fn reached(CommandReach { series, from, not_before }: &CommandReach) -> Value {
    json!({
        "exchange": series.exchange().to_string(), "symbol": series.symbol().to_string(),
        "timeframe": series.timeframe().to_string(), "from_ts_ms": from.ts_ms(),
        "not_before_ts_ms": not_before.map(SlotTs::ts_ms),
    })
}
