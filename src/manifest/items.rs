//! The items of a step and of a matrix: values, and the names they have in files and in the ids of runs.

use std::collections::BTreeMap;

use super::{
    problem::Problem,
    tree::{Node, quoted},
};

/// Most items of one step.
pub(super) const EACH_MAX: usize = 256;
/// Longest name of an item.
const NAME_MAX: usize = 32;

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What `${each}` is for it.
    pub value: String,
    /// How it is called in names of files and in the ids of runs.
    pub name: String,
}

impl Item {
    /// The item of a value; the error says why no file could be called like that.
    pub(super) fn new(value: &str) -> Result<Self, String> {
        let name = value.replace('/', "_");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if name.len() > NAME_MAX || !begins || !name.chars().all(is_plain) || name.contains("..") {
            return Err(format!(
                "{} cannot be the name of a file: letters, digits, `_`, `-`, `.` and `/`, a letter or digit first, at most {NAME_MAX} long",
                quoted(value)
            ));
        }
        Ok(Self { value: value.to_owned(), name })
    }
}

/// Checks a list of items: none is there twice, each has a name of its own.
pub(super) fn check(list: &Node, what: &str, problems: &mut Vec<Problem>) {
    if list.items().is_empty() {
        problems.push(
            Problem::new(&list.at, format!("{what} has no item")).help("name one, or take it out"),
        );
    }
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for node in list.items() {
        let Some(value) = text(node) else { continue };
        match Item::new(&value) {
            Err(why) => {
                let help = "use values that files can be called by";
                problems.push(Problem::new(&node.at, format!("item {why}")).help(help));
            }
            Ok(item) => {
                let Some(first) = seen.insert(item.name.clone(), value.clone()) else { continue };
                let message = if first == value {
                    format!("item {} is there twice", quoted(&value))
                } else {
                    let (one, other) = (quoted(&first), quoted(&value));
                    format!("items {one} and {other} would both be called `{}`", item.name)
                };
                problems.push(Problem::new(&node.at, message).help("take one of them out"));
            }
        }
    }
}

/// An item as text; `None` where it failed already.
pub(super) fn text(node: &Node) -> Option<String> {
    match &node.value {
        super::tree::Value::String(text) => Some(text.clone()),
        super::tree::Value::Integer(n) => Some(n.to_string()),
        super::tree::Value::Float(x) => Some(toml::Value::Float(*x).to_string()),
        super::tree::Value::Boolean(b) => Some(b.to_string()),
        super::tree::Value::Datetime(_)
        | super::tree::Value::Array(_)
        | super::tree::Value::Table(_)
        | super::tree::Value::Failed => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_a_name_that_a_file_can_have() {
        assert_eq!(Item::new("BTC/USD").unwrap().name, "BTC_USD");
        assert_eq!(Item::new("5m").unwrap().name, "5m");
        for wrong in ["", "/", "../x", "a b", ".x", "a/../b", "é", "a\n", &"a".repeat(33)] {
            assert!(Item::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
