//! Puts the built-in defaults into a tree, so that `explain` shows every value and the typed structs find them.

use serde_json::Value as Json;

use super::{
    kinds::{Kind, Runs},
    origin::{SourceKind, TextOrigin},
    schema,
    tables::RetryOn,
    tree::{Node, Table, Value},
};

/// Fills the tables of a kind, and the tables every kind has.
pub(super) fn fill(tree: &mut Table, kind: Kind) {
    let root = schema::root();
    fill_schedules(tree, root);
    for key in ["compute", "run", "notify", "heartbeat", "logs"].into_iter().chain(kind.tables()) {
        let Some(table) = schema::property(root, key) else { continue };
        if schema::types(table) != ["object"] {
            continue;
        }
        // A table with a mandatory key cannot be made of defaults: where it is optional, it is there or it is not.
        let is_own = kind.row().required.contains(&key) || has_mandatory(table);
        if !tree.contains_key(key) && is_own {
            continue;
        }
        let node = tree
            .entry(key.to_owned())
            .or_insert_with(|| Node::new(Value::Table(Table::new()), &TextOrigin::built_in()));
        fill_table(node, table);
        if key == "run" && kind.row().runs == Runs::Programs {
            retry_failures(node);
        }
    }
}

/// A program that fails is what a retry of programs is for: elsewhere exit code 1 is a verdict, which stays what it is.
fn retry_failures(run: &mut Node) {
    let retry = run.as_table_mut().and_then(|run| run.get_mut("retry"));
    let on = retry.and_then(Node::as_table_mut).and_then(|retry| retry.get_mut("on"));
    if let Some(on) = on.filter(|on| on.at.kind() == SourceKind::Default)
        && let Value::Array(items) = &mut on.value
    {
        let failed = Value::String(RetryOn::Failed.name().to_owned());
        items.insert(0, Node::new(failed, &TextOrigin::built_in()));
    }
}

fn has_mandatory(table: &Json) -> bool {
    table.get("required").and_then(Json::as_array).is_some_and(|keys| !keys.is_empty())
}

/// Fills every schedule that is there.
fn fill_schedules(tree: &mut Table, root: &Json) {
    let Some(items) = schema::property(root, "schedule").and_then(|list| list.get("items")) else {
        return;
    };
    if let Some(Value::Array(schedules)) = tree.get_mut("schedule").map(|node| &mut node.value) {
        for schedule in schedules {
            fill_table(schedule, items);
        }
    }
}

fn fill_table(node: &mut Node, table_schema: &Json) {
    let Some(table) = node.as_table_mut() else { return };
    for key in schema::keys(table_schema) {
        let Some(property) = schema::property(table_schema, key) else { continue };
        if let Some(child) = table.get_mut(key) {
            fill_table(child, property);
        } else if let Some(default) = property.get("default")
            && let Some(value) = from_json(default)
        {
            let mut child = Node::new(value, &TextOrigin::built_in());
            fill_table(&mut child, property);
            table.insert(key.to_owned(), child);
        }
    }
}

/// A default of the schema as a tree; empty lists and maps are left out.
fn from_json(json: &Json) -> Option<Value> {
    match json {
        Json::Null => None,
        Json::Bool(b) => Some(Value::Boolean(*b)),
        Json::String(text) => Some(Value::String(text.clone())),
        Json::Number(n) => n.as_i64().map(Value::Integer).or_else(|| n.as_f64().map(Value::Float)),
        Json::Array(items) if items.is_empty() => None,
        Json::Array(items) => {
            let nodes = items.iter().filter_map(from_json);
            Some(Value::Array(nodes.map(|v| Node::new(v, &TextOrigin::built_in())).collect()))
        }
        Json::Object(map) if map.is_empty() => None,
        Json::Object(map) => Some(Value::Table(
            map.iter()
                .filter_map(|(k, v)| {
                    Some((k.clone(), Node::new(from_json(v)?, &TextOrigin::built_in())))
                })
                .collect(),
        )),
    }
}
