//! Secrets: read from a variable or a file, handed only to places that are never shown.

use std::collections::BTreeMap;

use super::{
    interpolate::SecretValue,
    layers::TextError,
    problem::Problem,
    tree::{Node, Table, Value},
};

/// Where secrets are kept.
pub(super) struct SecretSources<'a> {
    pub env: &'a BTreeMap<String, String>,
    /// Reads a file by its path as written.
    pub read: &'a mut dyn FnMut(&str) -> Result<String, TextError>,
    /// False when the manifest is only looked at: then nothing is read.
    pub demanding: bool,
}

/// Reads every declared secret.
pub(super) fn evaluate(
    declared: Option<&Table>,
    vault: &mut SecretSources<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, SecretValue> {
    let mut out = BTreeMap::new();
    for (name, node) in declared.into_iter().flatten() {
        let Some(table) = node.as_table() else { continue };
        out.insert(name.clone(), one(name, node, table, vault, problems));
    }
    out
}

fn one(
    name: &str,
    node: &Node,
    table: &Table,
    vault: &mut SecretSources<'_>,
    problems: &mut Vec<Problem>,
) -> SecretValue {
    let text = |key: &str| table.get(key).and_then(Node::as_str);
    let found = match (text("from"), text("name"), text("path")) {
        (Some("env"), Some(variable), None) => match vault.env.get(variable) {
            _ if !vault.demanding => return SecretValue::Failed,
            Some(value) if !value.is_empty() => Ok(value.clone()),
            Some(_) | None => Err(format!("the variable {variable} is not set")),
        },
        (Some("file"), None, Some(path)) => {
            if !vault.demanding {
                return SecretValue::Failed;
            }
            let read = (vault.read)(path).map_err(|e| format!("cannot read `{path}`: {e}"));
            read.map(|text| without_line_end(&text).to_owned())
        }
        (Some("env"), _, _) => return incomplete(name, node, "name", "path", problems),
        (Some("file"), _, _) => return incomplete(name, node, "path", "name", problems),
        // A wrong or missing `from` is reported by the walk along the schema.
        _ => return SecretValue::Failed,
    };
    let optional = matches!(table.get("required"), Some(Node { value: Value::Boolean(false), .. }));
    match found {
        Ok(value) => SecretValue::Known(value),
        Err(_) if optional => SecretValue::Absent,
        Err(message) => {
            problems.push(
                Problem::new(&node.key, format!("secret `{name}`: {message}"))
                    .help("provide it, or write `required = false`"),
            );
            SecretValue::Failed
        }
    }
}

/// The text without its last line end. Blanks may belong to a secret.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn incomplete(
    name: &str,
    node: &Node,
    needs: &str,
    refuses: &str,
    problems: &mut Vec<Problem>,
) -> SecretValue {
    let from = if needs == "name" { "env" } else { "file" };
    let message =
        format!("secret `{name}` is kept in \"{from}\", so it has `{needs}` and no `{refuses}`");
    problems.push(Problem::new(&node.key, message).help(format!("write `{needs} = \"...\"`")));
    SecretValue::Failed
}
