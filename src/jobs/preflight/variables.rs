//! `.env` against `.env.example`: which variables are missing, empty, given twice or unknown. Values never leave this file.

use std::collections::{BTreeMap, BTreeSet};

/// Longest text that is believed to be the name of a variable.
const NAME_MAX: usize = 64;

/// What is wrong with an `.env`, by names and numbers of lines only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// In the example, and not there.
    pub missing: Vec<String>,
    /// There, and empty.
    pub empty: Vec<String>,
    /// Given more than once.
    pub twice: Vec<String>,
    /// Not in the example, not even commented out.
    pub unknown: Vec<String>,
    /// Lines, from 1, that are no assignment. What stands there may be a secret.
    pub odd_lines: Vec<usize>,
}

/// One line of such a file.
enum Line<'a> {
    /// Nothing to see.
    Blank,
    /// `NAME=value`.
    Set(&'a str, &'a str),
    /// `#NAME=value`: what may be set.
    May(&'a str),
    /// Something else.
    Odd,
}

fn line(text: &str) -> Line<'_> {
    let text = text.trim();
    let (text, is_comment) = match text.strip_prefix('#') {
        Some(rest) => (rest.trim_start(), true),
        None => (text, false),
    };
    let text = text.strip_prefix("export ").unwrap_or(text);
    match text.split_once('=') {
        _ if text.is_empty() => Line::Blank,
        Some((name, _)) if is_comment && is_name(name) => Line::May(name),
        _ if is_comment => Line::Blank,
        Some((name, value)) if is_name(name.trim_end()) => Line::Set(name.trim_end(), value.trim()),
        _ => Line::Odd,
    }
}

/// Capitals, digits and `_`: a key that somebody pasted, with its padding, is no name.
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

/// Compares the two texts.
pub fn compare(env: &str, example: &str) -> Faults {
    let mut wanted = Wanted::default();
    for text in example.lines() {
        match line(text) {
            Line::Set(name, _) => drop(wanted.must.insert(name)),
            Line::May(name) => drop(wanted.may.insert(name)),
            Line::Blank | Line::Odd => {}
        }
    }
    let (mut faults, mut given) = (Faults::default(), BTreeMap::<&str, bool>::new());
    for (number, text) in (1..).zip(env.lines()) {
        match line(text) {
            Line::Set(name, value) => {
                let is_empty = matches!(value, "" | "\"\"" | "''");
                if given.insert(name, is_empty).is_some() {
                    faults.twice.push(name.to_owned());
                }
            }
            Line::Odd => faults.odd_lines.push(number),
            Line::Blank | Line::May(_) => {}
        }
    }
    for name in &wanted.must {
        match given.get(name) {
            None => faults.missing.push((*name).to_owned()),
            Some(true) => faults.empty.push((*name).to_owned()),
            Some(false) => {}
        }
    }
    let known = |name: &&&str| !wanted.must.contains(**name) && !wanted.may.contains(**name);
    faults.unknown = given.keys().filter(known).map(|name| (*name).to_owned()).collect();
    faults
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
    fn a_key_that_was_pasted_is_a_line_and_not_a_name() {
        let key = ["QWxhZGRpbjpv", "cGVuIHNlc2Ft", "ZQ=="].concat();
        let found = compare(&format!("UID=1\nTOKEN=2\n{key}\nno assignment\n"), EXAMPLE);
        assert_eq!(found, Faults { odd_lines: vec![3, 4], ..Faults::default() });
    }
}
