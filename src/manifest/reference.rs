//! JOBS.md: each kind with every key, its type, its default and its meaning, from the documentation of the types.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{kinds::Kind, schema};

/// The reference of the kinds, as Markdown. The caller puts exit codes and the like around it.
pub fn jobs_md() -> String {
    let root = schema::root();
    let mut out = String::new();
    let _ = writeln!(out, "## Kinds\n\n| kind | does | tables |\n|---|---|---|");
    let docs = kind_docs(root);
    let shared = shared(root);
    for kind in Kind::ALL {
        let name = kind.name();
        let tables: Vec<String> = kind.tables().map(|t| format!("`{}`", header(t))).collect();
        let _ = writeln!(out, "| [`{name}`](#{name}) | {} | {} |", docs(*kind), tables.join(" "));
    }
    let _ = writeln!(out, "\n## Every job\n");
    let top = ["manifest", "name", "kind", "description", "extends", "labels"];
    rows(&mut out, root, &top);
    for key in ["params", "secrets", "compute", "run", "schedule", "notify", "heartbeat", "logs"] {
        section(&mut out, root, key, "###");
    }
    for kind in Kind::ALL {
        let _ = writeln!(out, "\n## {}\n\n{}", kind.name(), docs(*kind));
        for table in kind.tables().filter(|table| !shared.contains(table)) {
            section(&mut out, root, table, "###");
        }
        let links: Vec<String> = kind
            .tables()
            .filter(|table| shared.contains(table))
            .map(|table| format!("[`{}`](#{})", header(table), anchor(table)))
            .collect();
        if !links.is_empty() {
            let _ = writeln!(out, "\nAlso: {}.", links.join(" "));
        }
    }
    let _ = writeln!(out, "\n## Shared tables");
    for table in shared {
        section(&mut out, root, table, "###");
    }
    out
}

/// Kinds from which on a table is documented once for all of them; before that, with each.
const SHARED_BY: usize = 3;

/// The tables that many kinds have, in the order of the file.
fn shared(root: &Json) -> Vec<&str> {
    let users = |key: &str| Kind::ALL.iter().filter(|kind| kind.tables().any(|t| t == key)).count();
    schema::keys(root).filter(|key| users(key) >= SHARED_BY).collect()
}

/// Where a shared table is documented; a kind of the same name comes before it.
fn anchor(table: &str) -> String {
    let is_kind = Kind::of(table).is_some();
    if is_kind { format!("{table}-1") } else { table.to_owned() }
}

fn kind_docs(root: &Json) -> impl Fn(Kind) -> String {
    let kinds = schema::property(root, "kind").cloned().unwrap_or_default();
    move |kind| {
        let list = kinds.get("oneOf").and_then(Json::as_array);
        let one = list.and_then(|list| list.iter().find(|k| k["const"] == kind.name()));
        one.map(description).unwrap_or_default()
    }
}

fn header(table: &str) -> String {
    if matches!(table, "step" | "schedule") { format!("[[{table}]]") } else { format!("[{table}]") }
}

fn description(schema: &Json) -> String {
    let text = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// A table of keys under a heading, and the tables inside it.
fn section(out: &mut String, root: &Json, key: &str, level: &str) {
    let Some(schema) = schema::property(root, key) else { return };
    let (title, inner) = match key {
        "step" | "schedule" => (header(key), schema.get("items").unwrap_or(schema)),
        "params" | "secrets" => {
            (format!("[{key}.NAME]"), schema.get("additionalProperties").unwrap_or(schema))
        }
        _ => (header(key), schema),
    };
    let _ = writeln!(out, "\n{level} {title}\n\n{}\n", description(schema));
    table(out, inner, key, level);
}

fn table(out: &mut String, schema: &Json, path: &str, level: &str) {
    let is_table = |key: &&str| schema::property(schema, key).is_some_and(|p| keyed(p).is_some());
    let (tables, plain): (Vec<&str>, Vec<&str>) = schema::keys(schema).partition(is_table);
    rows(out, schema, &plain);
    for key in tables {
        let Some(inner) = schema::property(schema, key) else { continue };
        let path = format!("{path}.{key}");
        let title = match (inner.get("items"), by_name(inner)) {
            (Some(_), _) => format!("[[{path}]]"),
            (None, Some(_)) => format!("[{path}.NAME]"),
            (None, None) => format!("[{path}]"),
        };
        let _ = writeln!(out, "\n{level}# {title}\n\n{}\n", description(inner));
        table(out, keyed(inner).unwrap_or(inner), &path, level);
    }
}

/// The table that a property is, or is a list of, or has by name.
fn keyed(property: &Json) -> Option<&Json> {
    let list = || property.get("items").filter(|items| has_keys(items));
    Some(property).filter(|p| has_keys(p)).or_else(list).or_else(|| by_name(property))
}

/// The table that a property has by any name.
fn by_name(property: &Json) -> Option<&Json> {
    property.get("additionalProperties").filter(|schema| has_keys(schema))
}

fn has_keys(schema: &Json) -> bool {
    schema.get("properties").is_some()
}

fn rows(out: &mut String, schema: &Json, keys: &[&str]) {
    let _ = writeln!(out, "| key | type | default | meaning |\n|---|---|---|---|");
    for key in keys {
        let Some(property) = schema::property(schema, key) else { continue };
        let default = match property.get("default") {
            Some(Json::Array(items)) if items.is_empty() => String::new(),
            Some(Json::Object(map)) if map.is_empty() => String::new(),
            Some(Json::String(text)) if text.is_empty() => String::new(),
            Some(value) => format!("`{value}`"),
            None if schema::is_required(schema, key) => "mandatory".to_owned(),
            None => String::new(),
        };
        let meaning = format!("{}{}", description(property), choices(property));
        let _ = writeln!(out, "| `{key}` | {} | {default} | {meaning} |", type_name(property));
    }
}

/// The words a key accepts, each with its meaning.
fn choices(property: &Json) -> String {
    let Some(list) = property.get("oneOf").and_then(Json::as_array) else { return String::new() };
    list.iter()
        .filter_map(|one| {
            Some(format!("<br>`{}`: {}", one.get("const")?.as_str()?, description(one)))
        })
        .collect()
}

fn type_name(property: &Json) -> String {
    let types = schema::types(property);
    if let Some(words) = schema::words(property) {
        let words: Vec<String> = words.iter().map(|w| format!("`\"{w}\"`")).collect();
        return words.join(" ");
    }
    let name = match property.get("format").and_then(Json::as_str) {
        Some(
            format @ ("tag" | "run-id" | "exchange" | "symbol" | "duration" | "size" | "speed"
            | "offset" | "base-url" | "time" | "cron" | "time-zone" | "host"
            | "user-name" | "host-key" | "machine-id" | "project" | "target-path"
            | "inside-path" | "anchored-pattern" | "floating-pattern"),
        ) => format.replace('-', " "),
        _ => match types.as_slice() {
            ["array"] => "list".to_owned(),
            ["object"] => "table".to_owned(),
            types => types.join(", "),
        },
    };
    format!("{name}{}", range(property))
}

fn range(property: &Json) -> String {
    let bound = |name: &str| {
        property.get(name).map(|value| value.to_string().trim_end_matches(".0").to_owned())
    };
    let low = bound("minimum")
        .filter(|low| low != "0" || bound("maximum").is_some())
        .map(|low| format!("{low} or more"))
        .or_else(|| bound("exclusiveMinimum").map(|low| format!("more than {low}")));
    let high =
        bound("maximum").filter(|high| high.len() < 10).map(|high| format!("at most {high}"));
    match (low, high) {
        (Some(low), Some(high)) => format!(", {low}, {high}"),
        (Some(one), None) | (None, Some(one)) => format!(", {one}"),
        (None, None) => String::new(),
    }
}
