//! The walk of a tree along the schema: unknown keys, missing keys, wrong types, words and numbers out of range.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value as Json;

use super::{
    problem::Problem,
    schema,
    tree::{Node, Table, Value, join, quoted},
    values::{check_format, format_wanted},
};

/// What the name of a rule looks like, in the schema.
const RULE_NAME: &str = "^[a-z][a-z0-9_]{0,31}$";
/// What the patterns of the schema, and those of shipped jobs, mean in words.
const IN_WORDS: [(&str, &str); 11] = [
    (RULE_NAME, "small letters, digits and `_`, at most 32, a letter first"),
    (
        "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        "letters, digits, `_`, `-` and `.`, at most 64, a letter or a digit first",
    ),
    (
        "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        "letters, digits, `_` and `-`, at most 64, a letter or a digit first",
    ),
    (
        "^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$",
        "letters, digits, `_` and `-`, at most 48, a letter or a digit first",
    ),
    (
        "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$",
        "letters, digits, `_` and `-`, at most 32, a letter or a digit first",
    ),
    ("^[A-Za-z_][A-Za-z0-9_]*$", "letters, digits and `_`, a digit not first"),
    ("^(auto|[1-9][0-9]*)$", "\"auto\", or a whole number above 0"),
    (r"^[^\s]+$", "one word, without a space"),
    ("^$|^[^ ]+:[0-9]{1,5}$", "HOST:PORT, such as 127.0.0.1:9464, or empty"),
    (r"^([0-9.]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$", "ADDRESS:PORT, such as 127.0.0.1:8080"),
    ("^/", "a path that begins with /"),
];

/// Checks a tree against the schema and reports everything that is wrong.
pub(super) struct Checker<'a> {
    pub problems: &'a mut Vec<Problem>,
    /// Keys left out because their parameter has no value, by path, with the way to give it one.
    pub pruned: &'a BTreeMap<String, String>,
    /// Whether this table applies to the kind; if not, nothing in it is mandatory.
    pub demands: bool,
}

impl Checker<'_> {
    /// Checks the keys of one table.
    pub fn table(&mut self, table: &mut Table, node: &Node, schema: &Json, path: &str) {
        let known: Vec<&str> = schema::keys(schema).collect();
        let other = schema.get("additionalProperties");
        for (key, child) in table.iter_mut() {
            let path = join(path, key);
            if let Some(property) = schema::property(schema, key) {
                self.node(child, property, &path);
            } else if let Some(Json::Object(_)) = other {
                self.node(child, other.expect("it is an object"), &path);
            } else if other == Some(&Json::Bool(false)) {
                self.problems.push(unknown_key(child, key, parent(&path), &known));
            }
        }
        if !self.demands {
            return;
        }
        for key in known.iter().filter(|key| schema::is_required(schema, key)) {
            if !table.contains_key(*key) {
                self.missing(node, &join(path, key));
            }
        }
    }

    fn missing(&mut self, table: &Node, path: &str) {
        let help = match self.pruned.get(path) {
            Some(advice) => advice.clone(),
            // A place in a list has no path of its own.
            None if path.contains('[') => "write it".to_owned(),
            None => format!("write it, or give it with --set {path}=..."),
        };
        self.problems.push(Problem::new(&table.at, format!("`{path}` is missing")).help(help));
    }

    /// Checks one value.
    pub fn node(&mut self, node: &mut Node, schema: &Json, path: &str) {
        if node.value == Value::Failed {
            return;
        }
        let types = schema::types(schema);
        if !types.is_empty() && !fits(node, &types, schema) && !adopt(node, &types) {
            let message = format!("`{path}` must be {}, found {}", wanted(schema), node.found());
            let help = came_from(node).or_else(|| as_wanted(node, &types, schema, path));
            self.problems.push(Problem::new(&node.at, message).maybe_help(help));
            return;
        }
        match std::mem::replace(&mut node.value, Value::Failed) {
            Value::Table(mut table) => {
                self.table(&mut table, node, schema, path);
                node.value = Value::Table(table);
            }
            Value::Array(mut items) => {
                if let Some(schema) = schema.get("items") {
                    for (n, item) in items.iter_mut().enumerate() {
                        self.node(item, schema, &format!("{path}[{n}]"));
                    }
                }
                let short = items.is_empty() && schema.get("minItems").is_some();
                node.value = Value::Array(items);
                if short {
                    self.refuse(node, format!("`{path}` is empty"));
                }
            }
            scalar => {
                node.value = scalar;
                if let Err(message) = check_scalar(node, schema, path) {
                    self.refuse_word(node, message, schema);
                }
            }
        }
    }

    fn refuse(&mut self, node: &Node, message: String) {
        self.problems.push(Problem::new(&node.at, message).maybe_help(came_from(node)));
    }

    fn refuse_word(&mut self, node: &Node, message: String, schema: &Json) {
        // A format lists what it accepts by itself; the nearest word would be a guess among near-equals.
        let meant = schema::words(schema)
            .filter(|_| schema.get("format").is_none())
            .and_then(|words| closest(node.as_str().unwrap_or_default(), &words));
        let mut help = Vec::new();
        help.extend(meant.map(|word| format!("did you mean `{word}`?")));
        if schema.get("pattern").and_then(Json::as_str) == Some(RULE_NAME) {
            help.push("a name begins with a small letter, then small letters, digits and `_`, such as cross_up".to_owned());
        }
        help.extend(came_from(node));
        let help = (!help.is_empty()).then(|| help.join("; "));
        self.problems.push(Problem::new(&node.at, message).maybe_help(help));
    }
}

/// The path without its last key.
fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// A key nobody knows, with the key that was probably meant.
pub(super) fn unknown_key(node: &Node, key: &str, table: &str, known: &[&str]) -> Problem {
    let place = if table.is_empty() { String::new() } else { format!(" in [{table}]") };
    let meant = synonym(key, table, known).or_else(|| closest(key, known));
    let help = meant.map_or_else(
        || format!("known here: {}", known.join(", ")),
        |meant| format!("did you mean `{meant}`?"),
    );
    Problem::new(&node.key, format!("unknown key {}{place}", tick(key))).help(help)
}

/// Words that other programs have for keys of the rules, too far from ours to be slips: our key, and theirs without `-` and `_`.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("stop", &["stoploss", "sl", "initialstop", "hardstop"]),
    ("target", &["takeprofit", "tp", "profittarget", "profit", "goal"]),
    ("trail", &["trailing", "trailingstop", "trailstop", "tsl", "trailingstoploss"]),
    ("trail-from", &["trailingfrom", "trailstart", "trailafter", "activation", "trailingoffset"]),
    ("break-even-at", &["breakeven", "be", "movetobreakeven"]),
    ("rule", &["name", "id", "reason", "label"]),
    ("when", &["condition", "if", "expr", "expression", "where", "signal"]),
    ("side", &["direction", "type"]),
    ("enter", &["entry", "entries", "buy", "open"]),
    ("exit", &["sell", "close", "leave"]),
    ("protect", &["stop", "stops", "stoploss", "takeprofit", "protection", "risk"]),
    ("let", &["variables", "vars", "define", "series", "indicators", "features"]),
    ("params", &["parameters", "inputs", "settings"]),
    ("size", &["sizing", "positionsize", "position", "stake"]),
    ("risk-pct", &["risk", "riskpercent", "riskpertrade"]),
    ("percent", &["pct", "part"]),
    ("max-notional", &["max", "maxsize", "maxposition", "limit"]),
];

/// The key of a table of the rules that a word of another program stands for.
fn synonym(key: &str, table: &str, known: &[&str]) -> Option<String> {
    if table != "strategy" && !table.starts_with("strategy.") {
        return None;
    }
    let plain = key.to_lowercase().replace(['-', '_'], "");
    let found = SYNONYMS
        .iter()
        .find(|(ours, theirs)| known.contains(ours) && theirs.contains(&plain.as_str()));
    found.map(|(ours, _)| (*ours).to_owned())
}

/// A key in backticks, made safe to print.
fn tick(key: &str) -> String {
    let quoted = quoted(key);
    format!("`{}`", quoted.trim_matches('"'))
}

/// The known word nearest to a misspelled one, if it is near.
pub fn closest(word: &str, known: &[&str]) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&word, &plain(k)), *k))
        .filter(|(distance, k)| *distance <= (k.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k.to_owned())
}

/// Where a value came from, when it does not stand where the message points.
fn came_from(node: &Node) -> Option<String> {
    node.via.as_ref().map(|via| format!("the value comes from {via}"))
}

/// Whether the value has one of the types.
fn fits(node: &Node, types: &[&str], schema: &Json) -> bool {
    let one = |name: &str| match &node.value {
        Value::String(_) => name == "string",
        Value::Integer(_) => name == "integer" || name == "number",
        Value::Float(_) => name == "number",
        Value::Boolean(_) => name == "boolean",
        Value::Array(_) => name == "array",
        Value::Table(_) => name == "object",
        Value::Datetime(_) => {
            matches!(schema.get("format").and_then(Json::as_str), Some("time" | "scalar"))
        }
        Value::Failed => true,
    };
    types.iter().any(|name| one(name))
}

/// How a value of another type is written as one that is wanted.
fn as_wanted(node: &Node, types: &[&str], schema: &Json, path: &str) -> Option<String> {
    let is_plain = matches!(node.value, Value::Integer(_) | Value::Float(_) | Value::Boolean(_));
    if is_plain && types == ["string"] && schema.get("format").is_none() && !node.secret {
        return Some(if path.rsplit('.').next() == Some("when") {
            "a rule needs a condition between quotes: \"close > open\"".to_owned()
        } else if path.starts_with("strategy.protect.") {
            "write a distance between quotes: \"2 * atr(14)\"".to_owned()
        } else {
            format!("write it between quotes: \"{}\"", node.shown())
        });
    }
    let of_tables = |items| schema::types(items).contains(&"object");
    let is_list = types.contains(&"array") && schema.get("items").is_some_and(of_tables);
    (is_list && matches!(node.value, Value::Table(_)))
        .then(|| format!("write [[{path}]], with two brackets on each side"))
}

/// Gives a value that arrived without a type the type that is wanted.
fn adopt(node: &mut Node, types: &[&str]) -> bool {
    let Some(text) = node.loose.clone() else { return false };
    let read = |name: &&str| match *name {
        "string" => Some(Value::String(text.clone())),
        "integer" => text.parse().ok().map(Value::Integer),
        "number" => text.parse().ok().filter(|x: &f64| x.is_finite()).map(Value::Float),
        "boolean" => text.parse().ok().map(Value::Boolean),
        _ => None,
    };
    match types.iter().find_map(read) {
        Some(value) => {
            node.value = value;
            true
        }
        None => false,
    }
}

/// What a message says is wanted.
fn wanted(schema: &Json) -> String {
    if let Some(words) = schema::words(schema).filter(|w| w.len() <= 6) {
        return format!("one of {}", list(&words));
    }
    if let Some(text) = schema.get("format").and_then(Json::as_str).and_then(format_wanted) {
        return text.to_owned();
    }
    let name = |t: &str| match t {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "a table",
        _ => "something else",
    };
    let names: Vec<&str> = schema::types(schema).into_iter().map(name).collect();
    names.join(" or ")
}

/// Words in quotes, with commas.
pub(super) fn list(words: &[&str]) -> String {
    words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ")
}

/// Words, formats, patterns and ranges.
fn check_scalar(node: &Node, schema: &Json, path: &str) -> Result<(), String> {
    let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
    match &node.value {
        Value::String(text) | Value::Datetime(text) => check_text(node, text, format, schema, path),
        Value::Integer(n) => {
            if format == "uint32" && u32::try_from(*n).is_err() && *n > 0 {
                return Err(format!("`{path}` is {n}, at most {} is accepted", u32::MAX));
            }
            if format == "time" {
                check_format(format, &n.to_string())
                    .unwrap_or(Ok(()))
                    .map_err(|e| format!("`{path}`: {e}"))?;
            }
            let exact = schema.get("const").and_then(Json::as_i64);
            if exact.is_some_and(|exact| exact != *n) {
                return Err(format!("`{path}` is {n}, it must be {}", exact.unwrap_or_default()));
            }
            check_range(*n as f64, schema, path)
        }
        Value::Float(x) => {
            if format == "decimal" && crate::domain::decimal::decimal(*x).is_none() {
                return Err(format!("`{path}` is {x}, which does not fit a decimal"));
            }
            check_range(*x, schema, path)
        }
        Value::Boolean(_) | Value::Array(_) | Value::Table(_) | Value::Failed => Ok(()),
    }
}

fn check_text(
    node: &Node,
    text: &str,
    format: &str,
    schema: &Json,
    path: &str,
) -> Result<(), String> {
    if node.template {
        return Ok(());
    }
    if let Some(checked) = check_format(format, text) {
        return checked.map_err(|e| format!("`{path}`: {e}"));
    }
    if let Some(words) = schema::words(schema).filter(|words| !words.contains(&text)) {
        return Err(format!("`{path}` is {}, accepted are {}", quoted(text), list(&words)));
    }
    if format == "regex" && Regex::new(text).is_err() {
        return Err(format!("`{path}`: {} is not a regular expression", quoted(text)));
    }
    if schema.get("minLength").is_some() && text.is_empty() {
        return Err(format!("`{path}` is empty"));
    }
    let pattern = schema.get("pattern").and_then(Json::as_str);
    match pattern.map(|p| (p, Regex::new(p).expect("patterns of the types are valid"))) {
        Some((p, regex)) if !regex.is_match(text) => {
            Err(format!("`{path}` {}", does_not_match(text, p)))
        }
        _ => Ok(()),
    }
}

/// That a text is not what a pattern wants: in words, where the pattern is one of ours.
pub(super) fn does_not_match(text: &str, pattern: &str) -> String {
    let words = IN_WORDS.iter().find(|(known, _)| *known == pattern);
    words.map_or_else(
        || format!("is {}, which does not match {pattern}", quoted(text)),
        |(_, words)| format!("is {}, it must be {words}", quoted(text)),
    )
}

fn check_range(x: f64, schema: &Json, path: &str) -> Result<(), String> {
    let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
    if let Some(min) = bound("minimum").filter(|min| x < *min) {
        return Err(format!("`{path}` is {x}, at least {min} is accepted"));
    }
    if let Some(min) = bound("exclusiveMinimum").filter(|min| x <= *min) {
        return Err(format!("`{path}` is {x}, it must be more than {min}"));
    }
    if let Some(max) = bound("maximum").filter(|max| x > *max) {
        return Err(format!("`{path}` is {x}, at most {max} is accepted"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The patterns below a schema that texts are compared with.
    fn patterns<'s>(schema: &'s Json, found: &mut Vec<&'s str>) {
        match schema {
            Json::Object(map) => {
                let pattern = map.get("pattern").and_then(Json::as_str);
                // A format says in its own words what it takes.
                found.extend(pattern.filter(|_| !map.contains_key("format")));
                map.values().for_each(|part| patterns(part, found));
            }
            Json::Array(parts) => parts.iter().for_each(|part| patterns(part, found)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    #[test]
    fn every_pattern_of_the_schema_is_said_in_words() {
        let mut found = Vec::new();
        patterns(schema::root(), &mut found);
        assert!(found.len() > 5, "{found:?}");
        for pattern in found {
            let said = does_not_match("?", pattern);
            assert!(said.starts_with("is \"?\", it must be "), "{said}");
        }
    }
}
