//! JOBS.md: each kind with every key, its type, its default and its meaning, from the documentation of the types.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value as Json;

use super::{kinds::Kind, schema};

/// The tables of every job, in the order they are documented.
const EVERY_JOB: [&str; 8] =
    ["params", "secrets", "compute", "run", "schedule", "notify", "heartbeat", "logs"];

/// The reference of the kinds, as Markdown. The caller puts exit codes and the like around it.
pub fn jobs_md() -> String {
    let root = schema::root();
    let docs = kind_docs(root);
    let shared = shared(root);
    let mut out = contents(&shared);
    let _ = writeln!(out, "\n## Kinds\n\n| kind | does | tables |\n|---|---|---|");
    for kind in Kind::ALL {
        let name = kind.name();
        let tables: Vec<String> = kind.tables().map(link).collect();
        let _ =
            writeln!(out, "| [`{name}`](#kind:{name}) | {} | {} |", docs(*kind), tables.join(" "));
    }
    let _ = writeln!(out, "\n## Every job\n");
    let top = ["manifest", "name", "kind", "description", "extends", "labels", "matrix", "pools"];
    rows(&mut out, root, &top);
    for key in EVERY_JOB {
        section(&mut out, root, key, "###");
    }
    // A table that several kinds have is documented once: among the shared ones, or with the first kind that has it.
    let mut done = shared.clone();
    for kind in Kind::ALL {
        let _ = writeln!(out, "\n## {}\n\n{}", kind.name(), docs(*kind));
        let (own, elsewhere): (Vec<&str>, Vec<&str>) =
            kind.tables().partition(|table| !done.contains(table));
        for table in &own {
            section(&mut out, root, table, "###");
        }
        done.extend(own);
        if !elsewhere.is_empty() {
            let links: Vec<String> = elsewhere.into_iter().map(link).collect();
            let _ = writeln!(out, "\nAlso: {}.", links.join(" "));
        }
    }
    let _ = writeln!(out, "\n## Shared tables");
    for table in shared {
        section(&mut out, root, table, "###");
    }
    with_anchors(&out)
}

/// Kinds from which on a table is documented once for all of them; before that, with the first of them.
const SHARED_BY: usize = 3;

/// The tables that many kinds have, in the order of the file.
fn shared(root: &Json) -> Vec<&str> {
    let users = |key: &str| Kind::ALL.iter().filter(|kind| kind.tables().any(|t| t == key)).count();
    schema::keys(root).filter(|key| users(key) >= SHARED_BY).collect()
}

/// What there is, with links.
fn contents(shared: &[&str]) -> String {
    let tables = |tables: &[&str]| {
        let links: Vec<String> = tables.iter().map(|table| link(table)).collect();
        links.join(" ")
    };
    let kinds: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| {
            let name = kind.name();
            format!("[{name}](#kind:{name})")
        })
        .collect();
    format!(
        "- [Kinds](#kinds): what each does, and its tables\n\
         - [Every job](#every-job): {}\n\
         - One section for each kind: {}\n\
         - [Shared tables](#shared-tables): {}\n\
         - [Exit codes](#exit-codes)\n",
        tables(&EVERY_JOB),
        kinds.join(" "),
        tables(shared)
    )
}

/// A link to where a table is documented.
fn link(table: &str) -> String {
    format!("[`{}`](#table:{table})", header(table))
}

/// The text with links to kinds and tables as the anchors that Markdown makes of headings: a second heading of one spelling gets `-1`.
fn with_anchors(text: &str) -> String {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut out = text.to_owned();
    for line in text.lines() {
        let Some((_, title)) = line.split_once("# ").filter(|(hashes, _)| is_hashes(hashes)) else {
            continue;
        };
        let slug: String = title.to_lowercase().chars().filter(|c| is_kept(*c)).collect();
        let slug = slug.replace(' ', "-");
        let count = seen.entry(slug.clone()).or_default();
        let anchor = if *count == 0 { slug } else { format!("{slug}-{count}") };
        *count += 1;
        let bare = title.trim_matches(['[', ']']);
        let what = if bare == title { "kind" } else { "table" };
        let name = bare.trim_end_matches(".NAME");
        out = out.replace(&format!("(#{what}:{name})"), &format!("(#{anchor})"));
    }
    out
}

fn is_hashes(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'#')
}

/// Whether an anchor keeps a character of its heading.
fn is_kept(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')
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
    match table {
        "step" | "schedule" => format!("[[{table}]]"),
        "params" | "secrets" => format!("[{table}.NAME]"),
        _ => format!("[{table}]"),
    }
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
        "params" | "secrets" => (header(key), schema.get("additionalProperties").unwrap_or(schema)),
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
