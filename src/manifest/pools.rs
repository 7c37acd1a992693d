//! The pools: sizes that can be kept, and jobs that name one that there is.

use super::{
    check::closest,
    problem::Problem,
    tree::{Node, Table, get},
};

/// The largest pool.
const SIZE_MAX: i64 = 1_000;
/// Longest name of a pool.
const NAME_MAX: usize = 32;

/// Checks the sizes, and the pool that the job names.
pub(super) fn check(tree: &Table, problems: &mut Vec<Problem>) {
    let pools = tree.get("pools").and_then(Node::as_table);
    for (name, node) in pools.into_iter().flatten() {
        if let Some(size) = node.as_integer().filter(|size| !(1..=SIZE_MAX).contains(size)) {
            let message = format!("the pool `{name}` has the size {size}");
            let help = format!("write 1 to {SIZE_MAX}: nothing could ever run in a smaller one");
            problems.push(Problem::new(&node.at, message).help(help));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_plain) {
            let message = format!("`{name}` cannot be the name of a pool");
            let help = format!("use letters, digits, `_` and `-`, at most {NAME_MAX}");
            problems.push(Problem::new(&node.key, message).help(help));
        }
    }
    let Some(node) = get(tree, "run.pool") else { return };
    let Some(name) = node.as_str() else { return };
    let known: Vec<&str> = pools.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if !known.contains(&name) {
        let help = closest(name, &known).map_or_else(
            || format!("declare it: [pools] {name} = 1, in a file that the jobs share"),
            |meant| format!("did you mean `{meant}`?"),
        );
        problems.push(Problem::new(&node.at, format!("unknown pool `{name}`")).help(help));
    }
}
