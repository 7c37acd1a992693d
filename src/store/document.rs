//! The text of the JSON documents that are left for people and programs.

use serde::Serialize;

/// A document on lines of its own, with a newline at its end.
pub fn document(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain values serialise");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_lines_and_ends_with_one() {
        let keys = std::collections::BTreeMap::from([("a", 1), ("b", 2)]);
        assert_eq!(document(&keys), "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
    }
}
