//! `commands/<tag>.csv`: operator commands. Reasons are free text, so this file is quoted, and no field can start a formula in a spreadsheet.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, WriterBuilder};

use crate::{
    domain::{
        command::{Command, CommandKind, place_of},
        text::one_line,
        time::UtcMs,
    },
    store::error::StoreError,
};

/// Header of a commands ledger.
pub const COMMANDS_HEADER: &str = "ts_ms,command,reason,who";
const COLUMNS: [&str; 4] = ["ts_ms", "command", "reason", "who"];
/// Longest reason or name kept, in characters.
const TEXT_MAX: usize = 1000;

/// Appends one row. Line breaks and other control characters become spaces, so that a row is one line.
pub fn push_command(out: &mut Vec<u8>, command: &Command) {
    let Command { at, order, reason, who } = command;
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(out);
    writer
        .write_record([
            at.get().to_string().as_str(),
            &order.to_string(),
            &guard(reason),
            &guard(who),
        ])
        .and_then(|()| writer.flush().map_err(Into::into))
        .expect("writing to a vector does not fail");
}

/// A text that starts like a formula gets a `'`; so does one that starts with `'`, to tell them apart on reading.
fn guard(text: &str) -> String {
    let plain = one_line(text, TEXT_MAX);
    let plain = plain.trim();
    if plain.starts_with(['=', '+', '-', '@', '\'']) {
        format!("'{plain}")
    } else {
        plain.to_owned()
    }
}

fn unguard(text: &str) -> String {
    text.strip_prefix('\'').unwrap_or(text).to_owned()
}

/// Reads a commands ledger, in the order of appending: a command may be given for a time before that of an earlier line.
/// Bytes after the last newline are ignored.
pub fn parse_commands(bytes: &[u8], path: &Path) -> Result<Vec<Command>, StoreError> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..end].split_inclusive(|byte| *byte == b'\n').zip(1..);
    let mut commands: Vec<Command> = Vec::new();
    for (line, number) in lines {
        let damaged = |reason: String| StoreError::damaged(path, number, reason);
        let record = split(line).map_err(damaged)?;
        if number == 1 {
            if record != COLUMNS {
                return Err(damaged(format!("foreign header, expected `{COMMANDS_HEADER}`")));
            }
            continue;
        }
        let command = command(&record).map_err(damaged)?;
        if let CommandKind::Revoke(line) = command.order
            && let Some(reason) = revokes_nothing(&commands, line, command.at)
        {
            return Err(damaged(reason));
        }
        commands.push(command);
    }
    Ok(commands)
}

/// Why a revocation of a line, behind some commands, means nothing.
fn revokes_nothing(before: &[Command], line: u64, at: UtcMs) -> Option<String> {
    let Some(target) = place_of(line).and_then(|place| before.get(place)) else {
        return Some(format!("line {line}, which it revokes, is not a command before it"));
    };
    if !target.order.is_stance() {
        return Some(format!("line {line} is `{}`, which cannot be revoked", target.order));
    }
    if before.iter().any(|command| command.order == CommandKind::Revoke(line)) {
        return Some(format!("line {line} is revoked twice"));
    }
    (target.at != at).then(|| {
        format!("it has not the time of line {line}, which it revokes: {at}, not {}", target.at)
    })
}

/// The fields of one line. A row never spans lines: a quote that is not closed is damage.
fn split(line: &[u8]) -> Result<[String; 4], String> {
    if line.split(|byte| *byte == b'"').count().is_multiple_of(2) {
        return Err("a quote is not closed".to_owned());
    }
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line);
    let record = reader.records().next().unwrap_or_else(|| Ok(StringRecord::new()));
    let record = record.map_err(|error| error.to_string())?;
    let fields: Vec<String> = record.iter().map(str::to_owned).collect();
    fields.try_into().map_err(|fields: Vec<String>| {
        format!("{} columns, expected {}", fields.len(), COLUMNS.len())
    })
}

fn command([at, order, reason, who]: &[String; 4]) -> Result<Command, String> {
    let instant = at.parse().ok().and_then(|ms| UtcMs::new(ms).ok());
    let at =
        instant.ok_or_else(|| format!("column 1: `{}` is not an instant", at.escape_debug()))?;
    let order: CommandKind = order
        .parse()
        .map_err(|_| format!("column 2: `{}` is not a command", order.escape_debug()))?;
    Ok(Command { at, order, reason: unguard(reason), who: unguard(who) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(at: i64, reason: &str) -> Command {
        let at = UtcMs::new(at).unwrap();
        Command { at, order: CommandKind::Halt, reason: reason.into(), who: "ops".into() }
    }

    fn file(commands: &[Command]) -> Vec<u8> {
        let mut bytes = format!("{COMMANDS_HEADER}\n").into_bytes();
        for command in commands {
            push_command(&mut bytes, command);
        }
        bytes
    }

    #[test]
    fn reasons_are_quoted_and_cannot_be_formulas() {
        let bytes = file(&[command(5, "a, \"b\"\nc"), command(5, "=1+1")]);
        let text = String::from_utf8(bytes).unwrap();
        let rows: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(rows, ["5,halt,\"a, \"\"b\"\" c\",ops", "5,halt,'=1+1,ops"]);
    }

    #[test]
    fn a_switch_of_models_comes_back() {
        let switch = Command {
            order: CommandKind::Model("0a1b2c3d4e5f".parse().unwrap()),
            ..command(5, "x")
        };
        let bytes = file(std::slice::from_ref(&switch));
        assert!(bytes.ends_with(b"5,model:0a1b2c3d4e5f,x,ops\n"));
        assert_eq!(parse_commands(&bytes, Path::new("c")).unwrap(), [switch]);
    }

    #[test]
    fn a_command_may_be_for_a_time_before_that_of_an_earlier_line() {
        let given = [command(9, "next week"), command(5, "now"), command(7, "later")];
        let revoked = Command { order: CommandKind::Revoke(2), ..command(9, "not next week") };
        let all = [&given[..], &[revoked]].concat();
        let bytes = file(&all);
        assert!(bytes.ends_with(b"9,revoke:2,not next week,ops\n"));
        assert_eq!(parse_commands(&bytes, Path::new("c")).unwrap(), all);
    }

    /// A ledger that an older build wrote: it dated a command no earlier than the line before it.
    #[test]
    fn a_ledger_of_an_older_build_is_read() {
        let bytes = b"ts_ms,command,reason,who\n\
            1704110700001,model:0a1b2c3d4e5f,it takes the place of 5f4e3d2c1b0a: data/models/m/0a1b2c3d4e5f,live\n\
            1704715200000,halt,\"maintenance, all day\",eva\n\
            1704715200000,flatten,'=now,eva\n\
            1704715200000,reduce,eqflat_20240102_101700 FAIL: first mismatch,eqflat\n\
            1704801600000,resume,,eva\n";
        let commands = parse_commands(bytes, Path::new("c")).unwrap();
        let names: Vec<String> = commands.iter().map(|c| c.order.to_string()).collect();
        assert_eq!(names, ["model:0a1b2c3d4e5f", "halt", "flatten", "reduce", "resume"]);
        let at: Vec<i64> = commands.iter().map(|c| c.at.get()).collect();
        assert!(at.is_sorted() && at[1] == at[3] && at[4] == 1_704_801_600_000);
        assert_eq!([&*commands[1].reason, &*commands[2].reason], ["maintenance, all day", "=now"]);
    }

    #[test]
    fn damage_is_named_by_line() {
        for (rows, message) in [
            ("5,halt,x,y\n5,revoke:3,x,y\n", "c:3: line 3, which it revokes, is not a command"),
            ("5,halt,x,y\n5,revoke:1,x,y\n", "c:3: line 1, which it revokes, is not a command"),
            ("5,halt,x,y\n6,revoke:2,x,y\n", "c:3: it has not the time of line 2"),
            ("5,halt,x,y\n5,revoke:2,x,y\n5,revoke:2,x,y\n", "c:4: line 2 is revoked twice"),
            ("5,halt,x,y\n5,revoke:2,x,y\n5,revoke:3,x,y\n", "c:4: line 3 is `revoke:2`, which"),
            ("5,model:0a1b2c3d4e5f,x,y\n5,revoke:2,x,y\n", "c:3: line 2 is `model:0a1b2c3d4e5f`"),
            ("5,halt,x,y\n5,revoke:02,x,y\n", "c:3: column 2: `revoke:02` is not a command"),
            ("5,stop,x,y\n", "c:2: column 2: `stop` is not a command"),
            ("5,model:0A,x,y\n", "c:2: column 2: `model:0A` is not a command"),
            ("x,halt,x,y\n", "c:2: column 1: `x` is not an instant"),
            ("5,halt,x\n", "c:2: 3 columns, expected 4"),
            ("5,halt,x,y\n\n6,halt,x,y\n", "c:3: 0 columns, expected 4"),
            ("5,halt,\"x\nz\",y\n6,halt,x,y\n", "c:2: a quote is not closed"),
        ] {
            let bytes = format!("{COMMANDS_HEADER}\n{rows}");
            let error = parse_commands(bytes.as_bytes(), Path::new("c")).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(parse_commands(b"a,b\n", Path::new("c")).is_err());
        assert!(parse_commands(b"", Path::new("c")).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn commands_come_back(reasons in prop::collection::vec("[ -~äé]{0,40}", 0..6), cut in 0_usize..30) {
            let commands: Vec<_> =
                reasons.iter().map(|reason| command(7, reason.trim())).collect();
            let mut bytes = file(&commands);
            prop_assert_eq!(parse_commands(&bytes, Path::new("c")).unwrap(), commands.clone());
            let torn = file(&[command(8, "torn")]);
            let row = &torn[COMMANDS_HEADER.len() + 1..];
            bytes.extend_from_slice(&row[..cut.min(row.len() - 1)]);
            prop_assert_eq!(parse_commands(&bytes, Path::new("c")).unwrap(), commands);
        }
    }
}
