//! What to write instead where a text is not TOML: quotes that are missing, curly or not closed, and other slips of the first hour.

use std::ops::Range;

/// Quotation marks of word processors and chats.
const CURLY: [char; 11] = [
    '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}',
    '\u{ab}', '\u{bb}', '\u{60}',
];
/// Longest text that is shown as it should be.
const CHARS_MAX: usize = 60;

/// Advice about an error of the syntax at some bytes of a text.
pub(super) fn advice(text: &str, span: &Range<usize>, message: &str) -> Option<String> {
    let at = text.floor_char_boundary(span.start.min(text.len()));
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let (line, before, rest) = (&text[start..end], &text[start..at], &text[at..end]);
    let says = |words: &str| message.contains(words);
    let ends = [rest.chars().next(), line.trim_end().chars().next_back()];
    if let Some(curly) = ends.into_iter().flatten().find(|c| CURLY.contains(c)) {
        let advice = format!("`{curly}` is not a quote here: write the plain \"");
        return Some(
            quoted(before, rest)
                .map_or_else(|| advice.clone(), |whole| format!("{advice}: {whole}")),
        );
    }
    let is_word = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    // A word that begins like `true` is taken for it.
    if says("must be quoted") || is_word && before.trim_end().ends_with('=') {
        let whole = quoted(before, rest);
        return Some(whole.map_or_else(
            || "put the text between two \"".to_owned(),
            |whole| format!("write {whole}"),
        ));
    }
    if says("string, expected") {
        return Some(unclosed(line, message));
    }
    if says("escape") {
        return Some(r"write \\ for one backslash, or put the text between two '".to_owned());
    }
    if says("unclosed array table") {
        return Some("end the name with ]]".to_owned());
    }
    if says("unclosed") {
        return Some("write the bracket that closes it".to_owned());
    }
    if says("recurse") {
        return Some("write it with fewer brackets inside of each other".to_owned());
    }
    if says("duplicate key") {
        return Some(written_twice(text, line));
    }
    if says("unquoted key") && rest.starts_with(':') || says("key with no value") {
        let key = before.trim().trim_end_matches(':').trim_end();
        let value = rest.trim_start_matches(':').trim();
        let value = if value.is_empty() { "..." } else { value };
        let short = key.len() + value.len() <= CHARS_MAX && !key.is_empty();
        return short.then(|| format!("write {key} = {value}"));
    }
    says("expected newline").then(|| behind_a_value(before, rest)).flatten()
}

/// The assignment of a value that has no quotes, or wrong ones, with plain ones.
fn quoted(before: &str, rest: &str) -> Option<String> {
    let key = before.trim().strip_suffix('=')?.trim_end();
    let value = rest.split(" #").next().unwrap_or(rest).trim();
    let value = value.trim_matches(|c: char| CURLY.contains(&c) || c == '"');
    let fits = !value.is_empty()
        && key.len() + value.len() <= CHARS_MAX
        && !value.contains(|c: char| CURLY.contains(&c) || c == '"' || c == '\\');
    fits.then(|| format!("{key} = \"{value}\""))
}

fn unclosed(line: &str, message: &str) -> String {
    if message.contains("multi-line") {
        return "write the three quotes that end it".to_owned();
    }
    let quote = if message.contains("literal") { '\'' } else { '"' };
    let other = if quote == '"' { '\'' } else { '"' };
    if line.trim_end().ends_with(other) {
        return format!(
            "it begins with {quote} and ends with {other}: write the same at both ends"
        );
    }
    format!("write the {quote} that ends it; a text of several lines is between two \"\"\"")
}

/// Tables of which there can be several, each with two brackets.
const LISTS: [&str; 4] = ["strategy.enter", "strategy.exit", "schedule", "pipeline.step"];

/// What to do about a key or a table that is there already: one of a list may have lost its second bracket.
fn written_twice(text: &str, line: &str) -> String {
    let header = |line: &str, brackets: [&str; 2]| {
        let line = line.split('#').next().unwrap_or(line).trim();
        let name = line.strip_prefix(brackets[0])?.strip_suffix(brackets[1])?.trim();
        (!name.starts_with('[')).then(|| name.to_owned())
    };
    let (one, two) = (["[", "]"], ["[[", "]]"]);
    let name = header(line, two).or_else(|| header(line, one));
    let is_list = |name: &String| {
        LISTS.contains(&name.as_str())
            || text.lines().any(|other| header(other, two).as_ref() == Some(name))
    };
    match name.filter(is_list) {
        Some(name) => format!("write [[{name}]], with two brackets on each side, every time"),
        None => "it is written further up already: keep one of the two".to_owned(),
    }
}

/// What is wrong with something behind a value that is complete.
fn behind_a_value(before: &str, rest: &str) -> Option<String> {
    let value = before.split_once('=').map_or("", |(_, value)| value.trim_start());
    if value.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    if rest.starts_with(',') {
        return Some("a line of a table does not end with a comma: take it out".to_owned());
    }
    let quote = before.chars().next_back().filter(|c| ['"', '\''].contains(c));
    if let Some(quote) = quote.filter(|quote| rest.contains(*quote)) {
        let other = if quote == '"' { '\'' } else { '"' };
        return Some(format!(
            "the text ends at its second {quote}: inside of it write {other}, as in \"tf('1h', close)\""
        ));
    }
    let is_text = before.trim_end().ends_with(['"', '\'']);
    is_text.then(|| "put it inside the quotes, or begin a remark with #".to_owned())
}
