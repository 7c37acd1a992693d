//! Whether `.env` can be read, by us alone, and has what `.env.example` has. Values are never shown.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use super::{
    job::Look,
    result::{Checked, Level, some_of},
    variables::{Faults, compare},
};
use crate::manifest::PreflightPart;

/// Rights of everybody else.
const WORLD: u32 = 0o007;
/// Rights of the group to write.
const GROUP_WRITES: u32 = 0o020;
/// Longest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Its rights, and what stands in it.
pub fn env_file(look: &Look<'_>) -> Vec<Checked> {
    let root = look.context.root;
    let example = match read(&root.join(".env.example")) {
        Ok(Some(text)) => text,
        Ok(None) => return vec![Checked::skipped(PreflightPart::Env, "there is no .env.example")],
        Err(why) => return vec![check("env", Level::Fail, "", format!(".env.example: {why}"))],
    };
    let path = root.join(".env");
    let text = match read(&path) {
        Ok(Some(text)) => text,
        Ok(None) => {
            let found = check("env", Level::Fail, "readable", "there is no .env".to_owned());
            return vec![found.next("cp .env.example .env && chmod 600 .env")];
        }
        Err(why) => {
            let found = check("env", Level::Fail, "readable", format!(".env: {why}"));
            return vec![found.next("ls -la .env")];
        }
    };
    vec![rights(&path), content(&compare(&text, &example))]
}

fn check(name: &str, level: Level, limit: &str, value: String) -> Checked {
    Checked::new(PreflightPart::Env, name, level, limit, value)
}

/// A short text; `None` when there is none.
fn read(path: &Path) -> Result<Option<String>, String> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| "it is not UTF-8".to_owned())
}

/// A short file; `None` when there is none.
pub(super) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !found.is_file() || found.len() > FILE_MAX {
        return Err("it is no regular file, or longer than a mebibyte".to_owned());
    }
    fs::read(path).map(Some).map_err(|error| error.to_string())
}

fn rights(path: &Path) -> Checked {
    let check =
        |level, value| check("env rights", level, "nobody else", value).next("chmod 600 .env");
    match fs::metadata(path) {
        Err(error) => check(Level::Fail, error.to_string()),
        Ok(found) => {
            let mode = found.mode() & 0o7777;
            let value = format!("mode {mode:o}");
            if mode & WORLD != 0 {
                check(Level::Fail, format!("{value}: everybody can get at it"))
            } else if mode & GROUP_WRITES != 0 {
                check(Level::Warn, format!("{value}: the group can change it"))
            } else {
                check(Level::Ok, value)
            }
        }
    }
}

fn content(faults: &Faults) -> Checked {
    let Faults { missing, empty, unfilled, twice, unknown, odd_lines } = faults;
    let lines: Vec<String> = odd_lines.iter().map(usize::to_string).collect();
    let mut told = Vec::new();
    for (what, names) in [
        ("missing", missing),
        ("empty", empty),
        ("not filled in", unfilled),
        ("given twice", twice),
        ("not in .env.example", unknown),
        ("no assignment in line", &lines),
    ] {
        if !names.is_empty() {
            told.push(format!("{what}: {}", some_of(names)));
        }
    }
    let level = if [missing, empty, unfilled].into_iter().any(|names| !names.is_empty()) {
        Level::Fail
    } else if told.is_empty() {
        Level::Ok
    } else {
        Level::Warn
    };
    let value = if told.is_empty() { "complete".to_owned() } else { told.join("; ") };
    check("env", level, "all of .env.example", value).next("less .env.example")
}
