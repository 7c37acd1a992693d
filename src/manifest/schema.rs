//! The JSON Schema of manifests, generated from the types; editors complete from it and the checks run against it.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

use super::kinds::File;

/// A text with a reference in it.
const REFERENCE: &str = r"\$\{[^}]+\}";

/// The schema of a job file for an editor, which sees the file alone and before its references are filled.
pub fn job_schema() -> Json {
    let mut schema = root().clone();
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        // What a table lacks may stand in a file that this one extends.
        properties.values_mut().for_each(|property| forget_required(property, 1));
    }
    for_editors(&mut schema, true);
    schema
}

/// The schema of a profile, or of a file that others extend: nothing but `manifest` is mandatory.
pub fn profile_schema() -> Json {
    let mut schema = root().clone();
    for_editors(&mut schema, true);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), "A Mjolnir profile".into());
    }
    forget_required(&mut schema, 0);
    schema
}

/// The schema, generated once. It holds no `$ref` and no `null`.
pub(super) fn root() -> &'static Json {
    static ROOT: OnceLock<Json> = OnceLock::new();
    ROOT.get_or_init(|| {
        let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
        let mut schema = settings.into_generator().into_root_schema_for::<File>().to_value();
        tidy(&mut schema);
        schema
    })
}

/// The part of a table schema that describes one key.
pub(super) fn property<'s>(schema: &'s Json, key: &str) -> Option<&'s Json> {
    schema.get("properties")?.get(key)
}

/// The keys a table schema knows, in the order of the type.
pub(super) fn keys(schema: &Json) -> impl Iterator<Item = &str> {
    schema
        .get("properties")
        .and_then(Json::as_object)
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
}

/// Whether a table schema demands this key.
pub(super) fn is_required(schema: &Json, key: &str) -> bool {
    schema
        .get("required")
        .and_then(Json::as_array)
        .is_some_and(|list| list.iter().any(|k| k.as_str() == Some(key)))
}

/// The words a schema accepts, when it lists them.
pub(super) fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(list) = schema.get("enum").and_then(Json::as_array) {
        return Some(list.iter().filter_map(Json::as_str).collect());
    }
    let list = schema.get("oneOf").and_then(Json::as_array)?;
    list.iter().map(|one| one.get("const").and_then(Json::as_str)).collect()
}

/// The types a schema accepts.
pub(super) fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(list)) => list.iter().filter_map(Json::as_str).collect(),
        _ if words(schema).is_some() => vec!["string"],
        _ => vec![],
    }
}

/// Takes out what TOML cannot write: a key is absent, never null.
fn tidy(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(tidy),
        Json::Object(map) => {
            map.values_mut().for_each(tidy);
            drop_null_type(map);
            drop_null_choice(map);
            if map.get("default").is_some_and(Json::is_null) {
                map.remove("default");
            }
            if let Some(default) = map.get_mut("default") {
                drop_null_values(default);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn drop_null_type(map: &mut Map<String, Json>) {
    let Some(Json::Array(list)) = map.get_mut("type") else { return };
    list.retain(|t| t.as_str() != Some("null"));
    if let [one] = list.as_slice() {
        let one = one.clone();
        map.insert("type".to_owned(), one);
    }
    if let Some(Json::Array(words)) = map.get_mut("enum") {
        words.retain(|w| !w.is_null());
    }
}

fn drop_null_choice(map: &mut Map<String, Json>) {
    let Some(Json::Array(choices)) = map.get_mut("anyOf") else { return };
    choices.retain(|c| c.get("type").and_then(Json::as_str) != Some("null"));
    if let [Json::Object(one)] = choices.as_mut_slice() {
        let one = std::mem::take(one);
        map.remove("anyOf");
        for (key, value) in one {
            map.entry(key).or_insert(value);
        }
    }
}

fn drop_null_values(value: &mut Json) {
    if let Json::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_null_values);
    }
}

/// Accepts a reference wherever a value may come from one, and takes out the formats that only this program knows: of two of them,
/// `time` and `duration`, others have another idea.
fn for_editors(schema: &mut Json, is_top: bool) {
    let Some(map) = schema.as_object_mut() else { return };
    if map.get("format").is_some_and(|format| format != "regex") {
        map.remove("format");
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(inner) {
            for_editors(inner, false);
        }
    }
    if let Some(Json::Object(properties)) = map.get_mut("properties") {
        for (key, property) in properties {
            // These say what the file is, before anything is filled.
            if !is_top || !matches!(key.as_str(), "manifest" | "kind") {
                for_editors(property, false);
            }
        }
    }
    let is_scalar = !map.contains_key("properties") && !map.contains_key("items");
    let narrow = ["pattern", "enum", "oneOf", "anyOf", "const", "minLength"];
    let is_text = map.get("type") == Some(&Json::from("string"));
    let is_narrow = !is_text || narrow.iter().any(|key| map.contains_key(*key));
    if !is_scalar || !is_narrow || map.get("type") == Some(&Json::from("object")) {
        return;
    }
    let mut one = std::mem::take(map);
    for key in ["title", "description", "default"] {
        map.extend(one.shift_remove(key).map(|value| (key.to_owned(), value)));
    }
    let reference = serde_json::json!({ "type": "string", "pattern": REFERENCE });
    map.insert("anyOf".to_owned(), Json::Array(vec![Json::Object(one), reference]));
}

/// Parts of a job may leave out what another file gives, except inside lists.
fn forget_required(schema: &mut Json, depth: u8) {
    let Some(map) = schema.as_object_mut() else { return };
    if depth == 0 {
        map.insert("required".to_owned(), serde_json::json!(["manifest"]));
    } else {
        map.remove("required");
    }
    if let Some(Json::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(|property| forget_required(property, depth + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_closed_and_holds_no_null() {
        let schema = job_schema();
        let text = schema.to_string();
        assert!(!text.contains(":null") && !text.contains("\"null\""), "{text}");
        assert!(!text.contains("$ref"), "{text}");
        assert_eq!(schema["additionalProperties"], Json::Bool(false));
        assert_eq!(schema["required"], serde_json::json!(["manifest", "name", "kind"]));
        assert_eq!(profile_schema()["required"], serde_json::json!(["manifest"]));
    }

    #[test]
    fn every_key_is_explained() {
        fn walk(schema: &Json, path: &str) {
            for key in keys(schema) {
                let property = property(schema, key).unwrap();
                let path = format!("{path}.{key}");
                assert!(property.get("description").is_some(), "{path} has no description");
                walk(property, &path);
                let inner = ["items", "additionalProperties"].into_iter();
                inner.filter_map(|inner| property.get(inner)).for_each(|inner| walk(inner, &path));
            }
        }
        walk(&job_schema(), "");
    }
}
