//! `runner list`: the jobs of a box, with kind, schedules and description.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    load::{find, item_of, names, read_text},
    output::{plain, print, print_json},
    planned,
    table::{row, table},
};
use crate::exit::Exit;

pub fn list(root: &Path, json: bool) -> Exit {
    let mut jobs = Vec::new();
    for name in names(root) {
        let item = item_of(root, Path::new(&name));
        let file = find(root, Path::new(&name)).map(|(path, _)| path).unwrap_or_default();
        let path = match item {
            Some(_) => PathBuf::from(&name),
            None => Path::new("jobs").join(&name).with_extension("toml"),
        };
        let text = read_text(&file).unwrap_or_default();
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        let word =
            |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or("?").to_owned();
        let due = match planned::one(root, &path) {
            Ok(job) => job.schedules.iter().map(|each| planned::short(&each.due)).collect(),
            Err(_) => vec!["invalid: `runner check`".to_owned()],
        };
        jobs.push((path.display().to_string(), word("kind"), due, word("description")));
    }
    if json {
        let jobs: Vec<Value> = jobs
            .iter()
            .map(|(path, kind, due, about)| {
                json!({ "path": path, "kind": kind, "schedules": due, "description": about })
            })
            .collect();
        print_json(&json!({ "schema": "mjolnir.list/1", "jobs": jobs }));
    } else {
        let shown = |(path, kind, due, about): &(String, String, Vec<String>, String)| {
            let due = if due.is_empty() { "-".to_owned() } else { due.join(", ") };
            row([&plain(path), &plain(kind), &plain(&due), &plain(about)])
        };
        print(&table("", &jobs.iter().map(shown).collect::<Vec<_>>()));
    }
    if jobs.is_empty() { Exit::Nothing } else { Exit::Ok }
}
