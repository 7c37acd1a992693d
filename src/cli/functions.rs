//! `runner functions`: the words of the rule language.

use serde_json::json;

use super::{
    output::{print, print_json},
    view::tell,
};
use crate::{exit::Exit, jobs::context::Failure, language::functions};

/// Lists them, or describes one.
pub fn functions(name: Option<&str>, json: bool) -> Exit {
    let Some(name) = name else {
        let words = functions::words();
        if json {
            print_json(&json!({ "schema": "mjolnir.functions/1", "words": words }));
        } else {
            print(&functions::reference());
        }
        return Exit::Ok;
    };
    let Some(text) = functions::describe(name) else {
        let near = functions::nearest(name).map(|near| format!("; did you mean `{near}`?"));
        let message = format!(
            "the rule language does not have `{name}`{}; `runner functions` lists its words",
            near.unwrap_or_default()
        );
        return tell(&Failure::new(Exit::Nothing, message), json);
    };
    if json {
        print_json(&json!({ "schema": "mjolnir.functions/1", "word": name, "text": text }));
    } else {
        print(&text);
    }
    Exit::Ok
}
