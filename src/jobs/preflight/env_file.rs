//! Whether `.env` can be read, by its owner alone, and has what `.env.example` has. Values are never shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use super::{Machine, skipped, some_of};
use crate::{
    checklist::{CheckItem, Level},
    domain::dotenv::{self, Dotenv, DotenvEntry},
    manifest::PreflightPart,
};

/// Rights of all other users.
const WORLD: u32 = 0o007;
/// Rights of the group to write.
const GROUP_WRITES: u32 = 0o020;
/// Longest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Its rights, and its variables.
pub fn env_file(machine: &Machine<'_>) -> Vec<CheckItem> {
    let root = machine.context.root;
    let example = match read(&root.join(".env.example")) {
        Ok(Some(text)) => text,
        Ok(None) => {
            return vec![skipped(PreflightPart::Env, ".env.example is missing")];
        }
        Err(why) => {
            return vec![check("env", Level::Fail, "", format!(".env.example: {why}"))];
        }
    };
    let path = root.join(".env");
    let text = match read(&path) {
        Ok(Some(text)) => text,
        Ok(None) => {
            let found = check("env", Level::Fail, "readable", ".env is missing".to_owned());
            return vec![found.next("cp .env.example .env && chmod 600 .env")];
        }
        Err(why) => {
            let found = check("env", Level::Fail, "readable", format!(".env: {why}"));
            return vec![found.next("ls -la .env")];
        }
    };
    vec![rights(&path), content(&compare(&text, &example))]
}

fn check(name: &str, level: Level, limit: &str, value: String) -> CheckItem {
    CheckItem::new(name, level, value).part(PreflightPart::Env.name()).limit(limit)
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
        return Err("it is not a regular file, or longer than a mebibyte".to_owned());
    }
    fs::read(path).map(Some).map_err(|error| error.to_string())
}

fn rights(path: &Path) -> CheckItem {
    let check =
        |level, value| check("env rights", level, "the owner alone", value).next("chmod 600 .env");
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

fn content(faults: &Faults) -> CheckItem {
    let Faults { missing, empty, unfilled, twice, unknown, odd_lines } = faults;
    let lines: Vec<String> = odd_lines.iter().map(usize::to_string).collect();
    let mut words = Vec::new();
    for (what, names) in [
        ("missing", missing),
        ("empty", empty),
        ("not filled in", unfilled),
        ("given twice", twice),
        ("not in .env.example", unknown),
        ("not an assignment in line", &lines),
    ] {
        if !names.is_empty() {
            words.push(format!("{what}: {}", some_of(names)));
        }
    }
    let level = if [missing, empty, unfilled].into_iter().any(|names| !names.is_empty()) {
        Level::Fail
    } else if words.is_empty() {
        Level::Ok
    } else {
        Level::Warn
    };
    let value = if words.is_empty() { "complete".to_owned() } else { words.join("; ") };
    check("env", level, "all of .env.example", value).next("less .env.example")
}

/// Longest text that is believed to be the name of a variable.
const NAME_MAX: usize = 64;

/// What is wrong with an `.env`, by names and numbers of lines only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Faults {
    /// In the example, and missing.
    missing: Vec<String>,
    /// There, and empty.
    empty: Vec<String>,
    /// There, with words that only hold the place of a value.
    unfilled: Vec<String>,
    /// Given more than once.
    twice: Vec<String>,
    /// Not in the example, not even commented out.
    unknown: Vec<String>,
    /// Lines, from 1, that are not an assignment for every program. Such a line may be a secret.
    odd_lines: Vec<usize>,
}

/// Capitals, digits and `_`: a key that was pasted, with its padding, is not a name.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.len() <= NAME_MAX
        && text.chars().all(plain)
}

/// What the example demands: variables with and without a comment sign.
#[derive(Debug, Default)]
struct Wanted<'a> {
    must: BTreeSet<&'a str>,
    may: BTreeSet<&'a str>,
}

/// What a variable is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Empty,
    Unfilled,
    Filled,
}

/// Words that examples have where a value belongs, without what is between their letters.
const PLACEHOLDERS: [&str; 12] = [
    "changeme",
    "changethis",
    "changeit",
    "replaceme",
    "replacethis",
    "fillme",
    "fillin",
    "fixme",
    "placeholder",
    "insertme",
    "insertyour",
    "enteryour",
];
/// The same, of which only the whole value is one.
const WHOLE: [&str; 2] = ["todo", "tbd"];
/// How a value ends that begins with `your`.
const YOURS: [&str; 7] = ["here", "token", "key", "secret", "password", "url", "id"];
/// Signs of which a whole value holds a place, from three on.
const FILLERS: &str = "xX*.?-_";
/// So many in a row do it inside a value too.
const ROW: &str = "xxxx";

/// Whether a value only holds the place of one: `changeme`, `<token>`, `xxx`.
fn holds_a_place(value: &str) -> bool {
    let text = value.trim().to_lowercase();
    let bare: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_filler = |filler: char| text.chars().count() >= 3 && text.chars().all(|c| c == filler);
    let in_brackets = text.find('<').is_some_and(|at| text[at..].contains('>'));
    let is_yours = bare.starts_with("your") && YOURS.iter().any(|end| bare.ends_with(end));
    in_brackets
        || (text.starts_with("{{") && text.ends_with("}}"))
        || PLACEHOLDERS.iter().any(|word| bare.contains(word))
        || WHOLE.contains(&bare.as_str())
        || is_yours
        || FILLERS.chars().any(is_filler)
        || text.contains(ROW)
}

fn compare(env: &str, example: &str) -> Faults {
    let mut wanted = Wanted::default();
    let shown = dotenv::read(example);
    wanted.must.extend(shown.entries.iter().map(|entry| entry.name.as_str()));
    wanted.may.extend(example.lines().filter_map(may));
    let Dotenv { entries, odd_lines } = dotenv::read(env);
    let (mut faults, mut given) = (Faults::default(), BTreeMap::<&str, Given>::new());
    let names = |entry: &&DotenvEntry| is_name(&entry.name);
    for DotenvEntry { name, value, is_only_comment, .. } in entries.iter().filter(names) {
        let how = match value.as_deref() {
            _ if *is_only_comment => Given::Empty,
            Some(text) if text.trim().is_empty() => Given::Empty,
            Some(text) if holds_a_place(text) => Given::Unfilled,
            Some(_) | None => Given::Filled,
        };
        if given.insert(name, how).is_some() {
            faults.twice.push(name.clone());
        }
    }
    let pasted = entries.iter().filter(|entry| !names(entry)).map(|entry| entry.line);
    let lines: BTreeSet<usize> = odd_lines.into_iter().chain(pasted).collect();
    faults.odd_lines = lines.into_iter().collect();
    for name in &wanted.must {
        match given.get(name) {
            None => faults.missing.push((*name).to_owned()),
            Some(Given::Empty) => faults.empty.push((*name).to_owned()),
            Some(Given::Unfilled | Given::Filled) => {}
        }
    }
    let unfilled = given.iter().filter(|(_, how)| **how == Given::Unfilled);
    faults.unfilled = unfilled.map(|(name, _)| (*name).to_owned()).collect();
    let known = |name: &&&str| !wanted.must.contains(**name) && !wanted.may.contains(**name);
    faults.unknown = given.keys().filter(known).map(|name| (*name).to_owned()).collect();
    faults
}

/// The name in `#NAME=value`: what may be set.
fn may(line: &str) -> Option<&str> {
    let text = line.trim().strip_prefix('#')?.trim_start();
    let text = text.strip_prefix("export ").unwrap_or(text);
    text.split_once('=').map(|(name, _)| name).filter(|name| is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "# words = words\nUID=1000\nTOKEN=\n#MAY=1\n# NOTE=x\n";

    #[test]
    fn what_the_example_has_must_be_there_and_what_it_comments_out_may() {
        assert_eq!(compare("UID=1\nexport TOKEN='x'\nMAY=\n# c\n\n", EXAMPLE), Faults::default());
        let found = compare("TOKEN=\"\"\nOTHER=1\nOTHER=2\n", EXAMPLE);
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(found.missing, names(&["UID"]));
        assert_eq!(found.empty, names(&["TOKEN"]));
        assert_eq!((found.twice, found.unknown), (names(&["OTHER"]), names(&["OTHER"])));
    }

    #[test]
    fn words_in_the_place_of_a_value_are_told() {
        for text in [
            "changeme",
            "CHANGE_ME",
            "'change me!'",
            "<token>",
            "https://example.com/<your-id>",
            "xxx",
            "XXXXXX",
            "xoxb-xxxx-1",
            "your-token-here",
            "YOUR_API_KEY",
            "todo",
            "TBD",
            "***",
            "...",
            "{{TOKEN}}",
            "replace-me",
        ] {
            let found = compare(&format!("UID=1\nTOKEN={text}\nMAY={text}\n"), EXAMPLE);
            assert_eq!(found.unfilled, ["MAY", "TOKEN"], "{text}");
            assert!(found.empty.is_empty() && found.missing.is_empty());
        }
        for text in [
            "1000",
            "x",
            "xx",
            "-",
            "https://hc-ping.com/0a1b",
            "kraken",
            "yours truly",
            "BTC/USD",
            "a<b",
        ] {
            let found = compare(&format!("UID=1\nTOKEN={text}\n"), EXAMPLE);
            assert_eq!(found, Faults::default(), "{text}");
        }
        let found = compare("UID=changeme\nUID=1\nTOKEN=2\n", EXAMPLE);
        assert!(found.unfilled.is_empty(), "the last one counts");
    }

    #[test]
    fn what_is_only_a_comment_is_no_value() {
        for (env, empty, odd) in [
            ("UID=1\nTOKEN= # fill me in\n", &["TOKEN"][..], &[][..]),
            ("UID=1\nTOKEN=\"\" # none yet\n", &["TOKEN"], &[]),
            ("UID=1\nTOKEN='' #\n", &["TOKEN"], &[]),
            ("UID=1\nTOKEN=\"abc\n", &[], &[2]),
            ("UID=1\nTOKEN: abc\n", &[], &[2]),
            ("\u{feff}UID=1\nexport\tTOKEN=\"a\nOTHER=b\"\n", &[], &[]),
        ] {
            let found = compare(env, EXAMPLE);
            let none = Vec::<String>::new();
            assert_eq!((&found.missing, &found.unknown), (&none, &none), "{env:?}");
            assert_eq!(
                (found.empty, found.odd_lines),
                (empty.iter().map(|n| (*n).to_owned()).collect(), odd.to_vec()),
                "{env:?}"
            );
        }
    }

    #[test]
    fn a_key_that_was_pasted_is_a_line_and_not_a_name() {
        let key = ["QWxhZGRpbjpv", "cGVuIHNlc2Ft", "ZQ=="].concat();
        let found = compare(&format!("UID=1\nTOKEN=2\n{key}\nno assignment\n"), EXAMPLE);
        assert_eq!(found, Faults { odd_lines: vec![3, 4], ..Faults::default() });
    }
}
