//! Every value of a resolved manifest with its origin, and the manifest written out again; secrets masked.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use serde::Serialize;
use serde_json::Value as Json;

use super::{
    interpolate::SecretValue,
    origin::TextOrigin,
    params::{GivenParam, ParamSet},
    problem::{Problem, Problems},
    resolve::Resolved,
    schema,
    template::escape,
    tree::{Node, Table, Value, get, join},
};

/// Lists of tables.
const LISTS: [&str; 2] = ["step", "schedule"];

/// The values behind a plan. Its debug form shows none of them, since some are secret.
#[derive(Clone)]
pub(super) struct Tree {
    pub table: Table,
    pub params: ParamSet,
    pub secrets: BTreeMap<String, SecretValue>,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tree")
    }
}

/// One value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainRow {
    /// `live.catch-up.mode`, `params.tag`, `step[0].id`.
    pub path: String,
    /// The value as TOML.
    pub value: String,
    /// `jobs/live.toml:23:1`, `env DATA_TAG (through jobs/live.toml:40:7)`, `-p tag`, `--set live.seed`, `default`.
    pub origin: String,
}

impl Resolved {
    /// Something that is not wrong and should be known, at the place of a key.
    pub fn warning(&self, path: &str, message: String, help: String) -> Problems {
        let at = get(&self.tree.table, path).map(|node| node.key.clone());
        let at = at.unwrap_or_else(TextOrigin::built_in);
        Problems::new(vec![Problem::warning(&at, message).help(help)])
    }

    /// Every value with its origin, in the order of JOBS.md, parameters first.
    pub fn explain(&self) -> Vec<ExplainRow> {
        let mut rows = Vec::new();
        for (name, param) in self.tree.params.iter() {
            let (value, origin) = match &param.given {
                GivenParam::Value(value, at) => {
                    (Node::new(value.clone(), at).shown(), at.to_string())
                }
                GivenParam::Unset | GivenParam::Failed => {
                    ("unset".to_owned(), param.declared.to_string())
                }
            };
            rows.push(ExplainRow { path: format!("params.{name}"), value, origin });
        }
        for (key, schema) in Self::top_level() {
            if let Some(node) = self.tree.table.get(key) {
                explain_node(node, schema, key, &mut rows);
            }
        }
        rows
    }

    /// The manifest with every value in place: no parameters, nothing extended. Resolving it again gives the same plan,
    /// except where a secret is masked.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let (mut plain, mut tables) = (Vec::new(), Vec::new());
        for (key, schema) in Self::top_level() {
            let Some(node) = self.tree.table.get(key) else { continue };
            if matches!(node.value, Value::Table(_)) || LISTS.contains(&key) {
                tables.push((key, schema, node));
            } else {
                plain.push((key, node));
            }
        }
        for (key, node) in plain {
            line(&mut out, key, node);
        }
        for (key, schema, node) in tables {
            if LISTS.contains(&key) {
                for item in node.items() {
                    let item = without_params(key, item);
                    let _ = writeln!(out, "\n[[{key}]]");
                    body(&mut out, &item, schema.get("items").unwrap_or(schema), None);
                }
            } else {
                let _ = writeln!(out, "\n[{key}]");
                body(&mut out, node, schema, Some(key));
            }
        }
        out
    }

    /// The values of all secrets, for masking what a program prints.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.tree.secrets.values().filter_map(|secret| match secret {
            SecretValue::Known(value) if !value.is_empty() => Some(value.as_str()),
            SecretValue::Known(_) | SecretValue::Absent | SecretValue::Failed => None,
        })
    }

    /// Top-level keys in the order of the schema, without those that are resolved away.
    fn top_level() -> impl Iterator<Item = (&'static str, &'static Json)> {
        let root = schema::root();
        schema::keys(root)
            .filter(|key| !matches!(*key, "extends" | "params" | "secrets"))
            .filter_map(move |key| Some((key, schema::property(root, key)?)))
    }
}

/// An item of a list; a schedule without the parameters it gives: they are resolved away.
fn without_params(key: &str, item: &Node) -> Node {
    let mut item = item.clone();
    if let Some(table) = item.as_table_mut().filter(|_| key == "schedule") {
        table.remove("params");
    }
    item
}

/// The keys of a table in the order of its schema, then the rest.
fn ordered<'t>(table: &'t Table, schema: &Json) -> Vec<(&'t str, &'t Node)> {
    let known: Vec<&str> = schema::keys(schema).collect();
    let mut out: Vec<(&str, &Node)> =
        table.iter().map(|(key, node)| (key.as_str(), node)).collect();
    out.sort_by_key(|(key, _)| known.iter().position(|k| k == key).unwrap_or(known.len()));
    out
}

fn explain_node(node: &Node, schema: &Json, path: &str, rows: &mut Vec<ExplainRow>) {
    match &node.value {
        Value::Table(table) if !node.secret => {
            for (key, child) in ordered(table, schema) {
                let inner = schema::property(schema, key).unwrap_or(&Json::Null);
                explain_node(child, inner, &join(path, key), rows);
            }
        }
        Value::Array(items) if items.iter().any(|item| matches!(item.value, Value::Table(_))) => {
            let inner = schema.get("items").unwrap_or(&Json::Null);
            for (n, item) in items.iter().enumerate() {
                explain_node(item, inner, &format!("{path}[{n}]"), rows);
            }
        }
        _ => rows.push(ExplainRow {
            path: path.to_owned(),
            value: node.shown(),
            origin: node.origin(),
        }),
    }
}

/// Writes the keys of a table; tables inside it follow under their own header, or inline where there is none.
fn body(out: &mut String, node: &Node, schema: &Json, header: Option<&str>) {
    let Some(table) = node.as_table() else { return };
    let mut inner = Vec::new();
    for (key, child) in ordered(table, schema) {
        match (&child.value, header) {
            (Value::Table(_), Some(header)) => {
                inner.push((format!("{header}.{}", bare(key)), key, child));
            }
            _ => line(out, key, child),
        }
    }
    for (header, key, child) in inner {
        let _ = writeln!(out, "\n[{header}]");
        body(out, child, schema::property(schema, key).unwrap_or(&Json::Null), Some(&header));
    }
}

fn line(out: &mut String, key: &str, node: &Node) {
    let value =
        node.to_toml(&|text, node| if node.template { text.to_owned() } else { escape(text) });
    let _ = writeln!(out, "{} = {value}", bare(key));
}

/// A key, quoted where TOML wants it.
fn bare(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if plain && !key.is_empty() {
        key.to_owned()
    } else {
        toml::Value::String(key.to_owned()).to_string()
    }
}
