//! The text of the JSON documents that are left for people and programs.

use serde::Serialize;

/// A document on lines of its own, with a newline at its end.
pub fn document(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain values serialise");
    text.push('\n');
    text
}
