//! Whether all manifests in `jobs/` are valid, as `runner check` has it: this program asks itself.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    job::Look,
    result::{Checked, Level, some_of},
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    manifest::PreflightPart,
    os::{process::own_program, supervise::Captured},
};

/// Asks for all problems at once.
pub fn manifests(look: &Look<'_>) -> Result<Vec<Checked>, Failure> {
    let program = own_program()
        .map_err(|error| Failure::new(Exit::Bug, format!("this program's own file: {error}")))?;
    let root = look.context.root;
    let argv = [
        program.display().to_string(),
        "--root".to_owned(),
        root.display().to_string(),
        "--json".to_owned(),
        "check".to_owned(),
        "jobs".to_owned(),
    ];
    let said = match look.hands.here(argv.to_vec(), root, BTreeMap::new()) {
        Ok(said) => said,
        Err(failure) if failure.exit == Exit::Negative => {
            return Ok(vec![check(Level::Fail, failure.message)]);
        }
        Err(failure) => return Err(failure),
    };
    Ok(vec![judge(&said)])
}

fn check(level: Level, value: String) -> Checked {
    Checked::new(PreflightPart::Manifests, "manifests", level, "all valid", value)
        .next("runner check jobs")
}

fn judge(said: &Captured) -> Checked {
    let Ok(document) = serde_json::from_slice::<Json>(&said.stdout) else {
        return check(Level::Fail, format!("runner check ended with {}", said.code));
    };
    if let Some(error) = document["error"].as_str() {
        return check(Level::Fail, error.to_owned());
    }
    let problems = document["problems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named: Vec<String> = problems.iter().map(problem).collect();
    let count = &document["manifests"];
    match (said.code, named.is_empty()) {
        (0, true) => check(Level::Ok, format!("{count} manifests")),
        (0, false) => check(Level::Warn, some_of(&named)),
        (_, _) => check(Level::Fail, some_of(&named)),
    }
}

fn problem(problem: &Json) -> String {
    let word = |key: &str| problem[key].as_str().unwrap_or_default();
    let line = problem["line"].as_u64().map_or(String::new(), |line| format!(":{line}"));
    format!("{}{line}: {}", word("file"), word("message"))
}
