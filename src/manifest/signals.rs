//! `[strategy.signals.NAME]`: what its keys must be to each other and to the timeframe.

use std::time::Duration;

use super::{
    problem::Problem,
    tree::{Node, Table, get, quoted},
    values::Span,
};
use crate::domain::time::Timeframe;

/// Longest name: it is that of a file.
const NAME_MAX: usize = 32;

/// What is wrong with the signals of a tree. Without a timeframe, what needs one is left out.
pub(super) fn check(tree: &Table, timeframe: Option<Timeframe>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let tables = get(tree, "strategy.signals").and_then(Node::as_table);
    for (name, node) in tables.into_iter().flatten() {
        if !is_name(name) {
            let message = format!("{} is not a name of a signal", quoted(name));
            problems.push(Problem::new(&node.key, message).help(
                "a name begins with a small letter and has at most 32 small letters, digits and `_`: its file is data/signals/NAME.csv",
            ));
        }
        let Some(timeframe) = timeframe else { continue };
        let bar = Duration::from_millis(timeframe.ms().unsigned_abs());
        let mut demand = |key: &str, is_fine: &dyn Fn(Duration) -> bool, wanted: &str| {
            let Some(node) = node.as_table().and_then(|table| table.get(key)) else { return };
            let span = node.as_str().and_then(|text| text.parse::<Span>().ok());
            let Some(span) = span.filter(|span| !is_fine(span.duration())) else { return };
            let message = format!("`strategy.signals.{name}.{key}` is {span}, {wanted}");
            problems.push(Problem::new(&node.at, message));
        };
        let longest = format!("more than half a bar of {timeframe}");
        demand("wait", &|wait| wait * 2 <= bar, &longest);
        demand("max-age", &|age| age >= bar, &format!("less than a bar of {timeframe}"));
    }
    problems
}

fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.len() <= NAME_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_file_can_have() {
        for (text, fine) in [
            ("robot", true),
            ("a1_b", true),
            ("", false),
            ("1a", false),
            ("Robot", false),
            ("../x", false),
            ("a-b", false),
            (&"x".repeat(32), true),
            (&"x".repeat(33), false),
        ] {
            assert_eq!(is_name(text), fine, "{text}");
        }
    }
}
