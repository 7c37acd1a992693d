//! How a verb says that it could not do its work: problems of manifests, each with its place, or one error.

use serde_json::{Value, json};

use super::{
    load::LoadError,
    output::{print_json, say, say_drawn, style},
};
use crate::{exit::Exit, jobs::context::Failure, manifest::Problems};

/// Problems as a document.
pub fn problems_json(problems: &Problems) -> Value {
    let all: Vec<Value> = problems
        .iter()
        .map(|p| {
            json!({
                "severity": p.severity().name(), "file": p.file(), "line": p.line(), "column": p.column(),
                "message": p.message(), "help": p.advice(),
            })
        })
        .collect();
    json!({ "schema": "mjolnir.problems/1", "problems": all })
}

/// Shows problems to people, each with its place.
pub fn say_problems(problems: &Problems) {
    say_drawn(problems.render(style()).trim_end());
}

/// Says why a job could not be loaded.
pub fn refuse(error: LoadError, json: bool) -> Exit {
    match error {
        LoadError::Problems(problems) => {
            if json {
                print_json(&problems_json(&problems));
            } else {
                say_problems(&problems);
            }
            Exit::Manifest
        }
        LoadError::Unreadable(failure) => tell(&failure, json),
    }
}

/// Says why a verb could not do its work.
pub fn tell(failure: &Failure, json: bool) -> Exit {
    if json {
        let (exit, error) = (failure.exit.code(), &failure.message);
        print_json(&json!({ "schema": "mjolnir.error/1", "exit": exit, "error": error }));
    }
    say(&format!("error: {}", failure.message));
    failure.exit
}
