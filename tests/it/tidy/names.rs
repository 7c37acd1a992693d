//! A type that is used outside its folder has a name of its own: two types of one name make every import a question.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    production_files,
    source::{code_of, paths},
    split_tests,
};

/// The modules of a file below `src`, as a path has them.
fn modules(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.trim_end_matches("/mod").split('/').map(str::to_owned).collect()
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The types that a file shows to others.
fn types(text: &str) -> Vec<String> {
    let (production, _) = split_tests(text);
    let code = code_of(production);
    let shown = code.lines().filter(|line| line.starts_with("pub"));
    let words = shown.map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let named = words.filter_map(|mut words| {
        words
            .find(|word| {
                matches!(*word, "struct" | "enum" | "trait" | "type" | "fn" | "use" | "mod")
            })
            .filter(|word| matches!(*word, "struct" | "enum" | "trait" | "type"))?;
        words.find(|word| !word.is_empty()).map(str::to_owned)
    });
    named.collect()
}

/// Names that several types have, of which one is used outside its folder, with the files of those types.
fn doubled(files: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in files {
        for name in types(text) {
            by_name.entry(name).or_default().push(path.clone());
        }
    }
    by_name.retain(|_, paths| paths.len() > 1);
    let mut outside: BTreeSet<String> = BTreeSet::new();
    for (user, text) in files {
        let (production, _) = split_tests(text);
        for path in paths(&code_of(production)) {
            let mut segments: Vec<&str> = path.split("::").collect();
            let Some(homes) = segments.pop().and_then(|name| by_name.get_key_value(name)) else {
                continue;
            };
            let (name, homes) = homes;
            // By its module, or by a module above that shows it again.
            let is_home = |home: &&String| {
                let modules = modules(home);
                segments.first() == Some(&"crate")
                    && segments.len() > 1
                    && segments[1..].iter().zip(&modules).all(|(one, other)| one == other)
                    && segments.len() <= modules.len() + 1
            };
            if homes.iter().filter(is_home).any(|home| folder(home) != folder(user)) {
                outside.insert(name.clone());
            }
        }
    }
    by_name.retain(|name, _| outside.contains(name));
    by_name
}

#[test]
fn types_used_outside_their_folder_have_their_own_name() {
    let files = production_files();
    let found = doubled(&files);
    let lines: Vec<String> =
        found.iter().map(|(name, paths)| format!("`{name}`: {}", paths.join(", "))).collect();
    assert!(lines.is_empty(), "rename all but one:\n{}", lines.join("\n"));
}

#[test]
fn a_planted_double_is_found() {
    let file = |path: &str, text: &str| (path.to_owned(), format!("//! Summary.\n{text}\n"));
    let two = [
        file("src/jobs/fetch/plan.rs", "pub struct Plan;"),
        file("src/serve/plan.rs", "pub(crate) struct Plan;"),
    ];
    // Each is at home in its folder.
    assert!(doubled(&two).is_empty());
    let user = file("src/cli/serve.rs", "use crate::{exit::Exit, serve::plan::{plan, Plan}};");
    let found = doubled(&[two[0].clone(), two[1].clone(), user]);
    assert_eq!(found["Plan"], ["src/jobs/fetch/plan.rs", "src/serve/plan.rs"]);
    // By a module that shows it again.
    let user = file("src/cli/serve.rs", "use crate::serve::Plan;");
    assert_eq!(doubled(&[two[0].clone(), two[1].clone(), user]).len(), 1);
    // A type that is not shown is a matter of its file.
    let one = [two[0].clone(), file("src/serve/plan.rs", "struct Plan;")];
    let user = file("src/cli/fetch.rs", "use crate::jobs::fetch::plan::Plan;");
    assert!(doubled(&[one[0].clone(), one[1].clone(), user]).is_empty());
}
