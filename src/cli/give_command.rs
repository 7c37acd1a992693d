//! `runner halt`, `runner reduce`, `runner flatten`, and `runner resume` for a loop: a command to the loops of a tag.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    args::CommandArgs,
    commands::{document, place},
    flags,
    output::{print, print_json},
    view::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{command::CommandKind, ids::Tag, time::SlotTs},
    exit::Exit,
    jobs::{
        commands::{CommandReach, CommandRequest, GivenCommand, Listed, give},
        context::Failure,
    },
};

/// Takes the order down and says when it takes effect.
pub fn give_command(root: &Path, order: CommandKind, args: &CommandArgs, json: bool) -> Exit {
    match take_down(root, order, args) {
        Ok((tag, given)) => {
            let GivenCommand { at, line, last, planned, reach } = given;
            let last = last.map(|last| last.to_string());
            if json {
                print_json(&json!({
                    "schema": "mjolnir.command/1", "tag": tag.as_str(), "command": order.name(),
                    "at": at.to_string(), "at_ms": at.get(), "line": line, "last_decided": last,
                    "planned": planned.iter().map(document).collect::<Vec<_>>(),
                    "series": reach.iter().map(reached).collect::<Vec<_>>(),
                }));
            } else {
                let last = last.unwrap_or_else(|| "none".to_owned());
                print(&format!(
                    "{order} for tag {tag}: takes effect at the first slot that closes at or after {at} (last decided: {last})\n"
                ));
                if reach.len() > 1 {
                    print(&format!("it is for all {} series of the tag:\n", reach.len()));
                    let lines: Vec<String> = reach.iter().map(CommandReach::line).collect();
                    print(&format!("  {}\n", lines.join("\n  ")));
                }
                for Listed { line, command, .. } in &planned {
                    let (order, at) = (command.order, command.at);
                    print(&format!(
                        "planned for later: {order} at {at}; to take it back: runner revoke {line} --tag {tag} --reason \"...\"\n"
                    ));
                }
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn take_down(
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
