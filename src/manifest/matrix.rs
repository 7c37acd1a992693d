//! The matrix of a job: one file that is a job for each combination of values.

use std::collections::BTreeMap;

use super::{
    check::closest,
    items::{self, Item},
    layers::Layer,
    origin::{SourceKind, TextOrigin},
    problem::Problem,
    tree::{Node, Table, Value, quoted},
};

/// Most combinations.
const ITEMS_MAX: usize = 64;
/// Longest name of a job.
const NAME_MAX: usize = 64;
/// Most items that a message names.
const NAMED_MAX: usize = 8;

/// One combination: what it is called behind the name of the job, and its params.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixItem {
    pub name: String,
    pub values: Vec<(String, String)>,
}

/// The items of a manifest's text, as far as it can be read; what is wrong with them is said when the job is checked.
pub fn matrix_items(text: &str) -> Vec<MatrixItem> {
    let Ok(file) = text.parse::<toml::Table>() else { return Vec::new() };
    let Some(matrix) = file.get("matrix").and_then(toml::Value::as_table) else {
        return Vec::new();
    };
    let written = |value: &toml::Value| match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let keys = matrix.iter().map(|(key, values)| {
        let values = values.as_array().into_iter().flatten().map(written).collect();
        (key.clone(), values)
    });
    combined(keys.collect())
}

/// Every combination, the first key slowest. One value without a name leaves out what it is part of.
fn combined(keys: BTreeMap<String, Vec<String>>) -> Vec<MatrixItem> {
    let mut all = vec![MatrixItem { name: String::new(), values: Vec::new() }];
    if keys.is_empty() {
        return Vec::new();
    }
    for (key, values) in keys {
        let named: Vec<Item> = values.iter().filter_map(|value| Item::new(value).ok()).collect();
        if all.len().saturating_mul(named.len()) > ITEMS_MAX * ITEMS_MAX {
            return Vec::new();
        }
        let one = |before: &MatrixItem, item: &Item| MatrixItem {
            name: if before.name.is_empty() {
                item.name.clone()
            } else {
                format!("{}-{}", before.name, item.name)
            },
            values: before
                .values
                .iter()
                .cloned()
                .chain([(key.clone(), item.value.clone())])
                .collect(),
        };
        all = all
            .iter()
            .flat_map(|before| named.iter().map(|item| one(before, item)).collect::<Vec<_>>())
            .collect();
    }
    all
}

/// What a matrix gives to the params of one of its jobs.
pub(super) type MatrixValues = BTreeMap<String, (String, TextOrigin)>;

/// Which job of a matrix is meant, and who asks.
pub(super) struct Chosen<'a> {
    pub item: Option<&'a str>,
    /// Whether it is to run: then one must be meant.
    pub demanding: bool,
    /// `-p`.
    pub args: &'a [(String, String)],
}

/// Checks the matrix and gives the values of the item that is meant, with the end of its name; the first one where none must be.
pub(super) fn choose(
    merged: &Table,
    layers: &[Layer],
    chosen: &Chosen<'_>,
    problems: &mut Vec<Problem>,
) -> (Option<String>, MatrixValues) {
    let none = (None, MatrixValues::new());
    let Some(node) = merged.get("matrix") else {
        return none;
    };
    let before = problems.len();
    let mut foreign = layers.iter().filter(|layer| layer.kind != SourceKind::Job);
    if let Some(other) = foreign.find_map(|layer| layer.table.get("matrix")) {
        let message = "[matrix] is in another file than that of its job";
        problems.push(Problem::new(&other.key, message).help("write it into the file of the job"));
    }
    let Some(table) = node.as_table() else { return none };
    check(merged, node, table, problems);
    if problems.len() > before {
        return none;
    }
    let texts = |node: &Node| node.items().iter().filter_map(items::text).collect();
    let all = combined(table.iter().map(|(key, node)| (key.clone(), texts(node))).collect());
    whole(merged, node, &all, problems);
    if problems.len() > before {
        return none;
    }
    let found = match chosen.item {
        Some(name) => all.iter().find(|item| item.name == name),
        None if chosen.demanding => None,
        None => all.first(),
    };
    let Some(found) = found else {
        let name = merged.get("name").and_then(Node::as_str).unwrap_or("?");
        let message = format!("job `{name}` has a matrix of {} jobs: which one?", all.len());
        let shown = all.iter().take(NAMED_MAX).map(|item| format!("{name}.{}", item.name));
        let more = if all.len() > NAMED_MAX { ", ..." } else { "" };
        let help = format!("name one: {}{more}", shown.collect::<Vec<_>>().join(", "));
        problems.push(Problem::new(&node.key, message).help(help));
        return none;
    };
    let mut values = MatrixValues::new();
    for (key, value) in &found.values {
        if let Some((_, given)) = chosen.args.iter().find(|(name, _)| name == key) {
            let at = TextOrigin::whole(SourceKind::Param, key, &format!("-p {key}={given}"));
            let message = format!("the matrix gives `{key}` its value");
            problems.push(Problem::new(&at, message).help("name the job that has the value"));
        }
        let at = table[key].items().iter().find(|node| items::text(node).as_ref() == Some(value));
        let at = at.map_or(&node.at, |node| &node.at).clone();
        values.insert(key.clone(), (value.clone(), at));
    }
    (Some(found.name.clone()), values)
}

fn check(merged: &Table, node: &Node, table: &Table, problems: &mut Vec<Problem>) {
    let declared = merged.get("params").and_then(Node::as_table);
    let own = super::tree::get(merged, "strategy.params").and_then(Node::as_table);
    let known: Vec<&str> =
        declared.into_iter().chain(own).flatten().map(|(name, _)| name.as_str()).collect();
    if table.is_empty() {
        let help = "write `symbol = [\"BTC/USD\", \"ETH/USD\"]`, or take it out";
        problems.push(Problem::new(&node.key, "[matrix] names no param").help(help));
    }
    for (key, values) in table {
        if !known.contains(&key.as_str()) {
            let help = closest(key, &known).map_or_else(
                || format!("declare it: [params.{key}]"),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("[matrix] gives the unknown param `{key}`");
            problems.push(Problem::new(&values.key, message).help(help));
        }
        if !matches!(values.value, Value::Array(_)) {
            let message = format!("`{key}` of [matrix] must be a list, found {}", values.found());
            let help = format!(
                "write `{key} = [...]`; one value belongs to [params.{key}] as its default"
            );
            problems.push(Problem::new(&values.at, message).help(help));
            continue;
        }
        items::check(values, &format!("`{key}` of [matrix]"), problems);
        for odd in values.items().iter().filter(|value| items::text(value).is_none()) {
            let message = format!("{} is not a value of a param", odd.shown());
            problems.push(Problem::new(&odd.at, message).help("write texts and numbers"));
        }
    }
    let schedules = merged.get("schedule").map(Node::items).into_iter().flatten();
    for schedule in schedules {
        let params = schedule.as_table().and_then(|table| table.get("params"));
        for (name, node) in params.and_then(Node::as_table).into_iter().flatten() {
            if table.contains_key(name) {
                let message = format!("a schedule and [matrix] both give `{name}`");
                let help = "take it out of one of them: each job of the matrix has its own value";
                problems.push(Problem::new(&node.key, message).help(help));
            }
        }
    }
}

/// Checks what only all combinations together can show.
fn whole(merged: &Table, node: &Node, all: &[MatrixItem], problems: &mut Vec<Problem>) {
    if all.len() > ITEMS_MAX || all.is_empty() {
        let count = if all.is_empty() { "too many".to_owned() } else { all.len().to_string() };
        let message = format!("[matrix] makes {count} jobs, most are {ITEMS_MAX}");
        problems.push(Problem::new(&node.key, message).help("take values out"));
    }
    let name = merged.get("name").and_then(Node::as_str).unwrap_or_default();
    let mut seen = std::collections::BTreeSet::new();
    for item in all.iter().take(ITEMS_MAX) {
        if name.len() + 1 + item.name.len() > NAME_MAX {
            let long = format!("{name}.{}", item.name);
            let message =
                format!("{} is longer than {NAME_MAX}, as a name of a job", quoted(&long));
            problems.push(Problem::new(&node.key, message).help("give the job a shorter name"));
        }
        if !seen.insert(&item.name) {
            let message = format!("two jobs of [matrix] would be called `{name}.{}`", item.name);
            problems.push(Problem::new(&node.key, message).help("change one of the values"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_a_job_with_a_name() {
        let text = "[matrix]\nsymbol = ['BTC/USD', 'ETH/USD']\nfast = [5, 10]\n";
        let all = matrix_items(text);
        let names: Vec<&str> = all.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["5-BTC_USD", "5-ETH_USD", "10-BTC_USD", "10-ETH_USD"]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(all[1].values, [pair("fast", "5"), pair("symbol", "ETH/USD")]);
        for none in ["", "[matrix]\n", "matrix = 1", "[matrix", "[matrix]\nx = []"] {
            assert!(matrix_items(none).is_empty(), "{none}");
        }
    }
}
