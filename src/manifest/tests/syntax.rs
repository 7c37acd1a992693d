//! Texts that are not TOML: what is said of each slip.

use super::{Case, EXEC};

/// A line of a manifest, what the message says, and what it advises.
const SLIPS: &[(&str, &str, &str)] = &[
    ("when = \u{201c}close > open\u{201d}", "must be quoted", "plain \": when = \"close > open\""),
    ("when = \u{2018}close > open\u{2019}", "must be quoted", "`\u{2018}` is not a quote here"),
    ("when = \u{201c}close > open", "must be quoted", "when = \"close > open\""),
    ("when = \u{ab}close > open\u{bb}", "must be quoted", "when = \"close > open\""),
    ("when = `close > open`", "must be quoted", "when = \"close > open\""),
    ("when = close > open # up", "must be quoted", "write when = \"close > open\""),
    ("when = close", "must be quoted", "write when = \"close\""),
    ("stop = 2 * atr(14)", "must be quoted", "write stop = \"2 * atr(14)\""),
    ("when = tf(\"1h\", close)", "invalid boolean", "put the text between two \""),
    ("when = \"close > open", "basic string", "write the \" that ends it"),
    ("when = \"close > open'", "basic string", "begins with \" and ends with '"),
    ("when = 'close > open\"", "literal string", "begins with ' and ends with \""),
    ("when = \"\"\"close", "multi-line", "three quotes"),
    ("when = \"tf(\"1h\", close)\"", "expected newline", "ends at its second \""),
    ("when = 'tf('1h', close)'", "expected newline", "ends at its second '"),
    ("when = \"close > open\",", "expected newline", "take it out"),
    ("when = \"close\" > open", "expected newline", "inside the quotes"),
    ("when = \"close \\> open\"", "escape", "\\\\ for one backslash"),
    ("\u{201c}when\u{201d} = \"close\"", "unquoted key", "`\u{201c}` is not a quote here"),
    ("when: \"close\"", "unquoted key", "write when = \"close\""),
    ("when \"close\"", "no value", "write when = \"close\""),
    ("when", "no value", "write when = ..."),
    ("list = [true", "unclosed array", "the bracket that closes it"),
    ("[[strategy.enter]", "unclosed array table", "]]"),
    ("name = \"u\"", "duplicate key", "keep one"),
];

#[test]
fn a_slip_of_the_first_hour_is_refused_with_its_place_and_with_what_to_write() {
    for (line, message, advice) in SLIPS {
        let job = EXEC.replace("name = ", &format!("{line}\nname = "));
        let says = Case::new(&job).says();
        let first = says.lines().next().unwrap();
        // What is not closed is noticed further down.
        let is_later = line.starts_with("name") || line.contains('[') || line.contains("\"\"\"");
        assert!(first.starts_with("jobs/t.toml:2:") || is_later, "{says}");
        assert!(says.contains(message), "{line}: {says}");
        assert!(says.contains(advice), "{line}: {says}");
    }
}
